import { runProgram } from '../../src/cli/program/program.js';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs varve's command line in this process. */
export async function varve(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  { columns = 80, isTTY = false } = {},
): Promise<Outcome> {
  const text = { out: '', err: '' };
  const stream = (name: 'out' | 'err'): NodeJS.WriteStream =>
    ({
      write(chunk: string | Uint8Array) {
        text[name] += chunk.toString();
        return true;
      },
      isTTY,
      columns,
    }) as unknown as NodeJS.WriteStream;
  const code = await runProgram([...args], {
    environment,
    out: stream('out'),
    err: stream('err'),
    input: process.stdin,
    signal: new AbortController().signal,
    outliveReader: () => undefined,
  });
  return { code, ...text };
}
