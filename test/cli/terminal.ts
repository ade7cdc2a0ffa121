import { spawn } from 'node:child_process';
import { testArguments } from '../servers/test-place.js';
import { MAIN } from './main-program.js';
import type { Playground } from './varve.js';

/** What is typed when the terminal has shown something that it had not shown before the last step. */
export interface Step {
  readonly shown: RegExp;
  readonly typed: string;
}

export interface Session {
  readonly code: number | null;
  /** All that the terminal showed, what it echoed included. */
  readonly screen: string;
}

/** Runs varve on a terminal of its own, by script(1). */
export function onTerminal(
  play: Playground,
  args: readonly string[],
  steps: readonly Step[],
  env: Record<string, string | undefined> = {},
): Promise<Session> {
  const words = [process.execPath, MAIN, ...testArguments, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['--quiet', '--return', '--echo', 'always', '--command', words, '/dev/null'], {
    env: { ...play.env, ...env, TERM: 'xterm' },
    cwd: play.directory,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => undefined);
  let screen = '';
  let seen = 0;
  let next = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    const step = steps[next];
    const found = step?.shown.exec(screen.slice(seen));
    if (step === undefined || !found) return;
    seen += found.index + found[0].length;
    next++;
    child.stdin.write(step.typed);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      child.stdin.destroy();
      resolve({ code, screen });
    });
  });
}
