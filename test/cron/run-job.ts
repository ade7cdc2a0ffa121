import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import type { Job } from './crontab.js';

export interface Mail {
  readonly code: number | null;
  /** What the command printed, on either of its outputs; cron sends no mail when that is nothing. */
  readonly text: string;
}

/**
 * Runs a job as cron does: by /bin/sh, in the home directory, with cron's own short environment and what the crontab adds to it, in a session of
 * its own without a terminal, and with both outputs gathered for a mail.
 */
export function runJob(
  { command, input }: Job,
  environment: Readonly<Record<string, string>>,
  home: string,
): Promise<Mail> {
  const shell = environment.SHELL ?? '/bin/sh';
  const child = spawn(shell, ['-c', command], {
    cwd: home,
    detached: true,
    env: { HOME: home, LOGNAME: 'root', SHELL: shell, PATH: '/usr/bin:/bin', ...environment },
    stdio: [input === '' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => output.push(bytes));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, text: Buffer.concat(output).toString() }));
  });
}
