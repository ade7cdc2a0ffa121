import { spawn } from 'node:child_process';

export interface Started {
  readonly pid: number;
  /** What of its output says that it is ready. */
  readonly ready: RegExpExecArray;
  /** All that it printed. */
  output(): string;
  /** Ends it at once. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a program that goes on until it is stopped, and waits until it prints that it is ready. */
export async function startProgram(
  program: string,
  args: readonly string[],
  ready: RegExp,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Started> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env } });
  const atExit = (): void => void child.kill('SIGKILL');
  process.once('exit', atExit);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let output = '';
  const match = await new Promise<RegExpExecArray>((resolve, reject) => {
    const read = (text: string): void => {
      output += text;
      const found = ready.exec(output);
      if (found !== null) resolve(found);
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.once('error', reject);
    void ended.then(() => reject(new Error(`${program} ended before it was ready:\n${output}`)));
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await ended;
    process.off('exit', atExit);
  };
  return {
    pid: child.pid ?? 0,
    ready: match,
    output: () => output,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
