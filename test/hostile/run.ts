import { Writable } from 'node:stream';
import { runProgram } from '../../src/cli/program/program.js';

/**
 * Runs commands in a process of their own, one after another, so that what they take of memory can be limited and measured:
 * `node run.js [[ARGUMENT…]…]`. Prints what came of them as JSON.
 */

export interface Ran {
  readonly code: number;
  readonly err: string;
  /** The beginning. */
  readonly out: string;
}

export interface Runs {
  readonly runs: readonly Ran[];
  /** KiB of memory at the most. */
  readonly memory: number;
}

/** Characters that are kept. */
const KEPT = 1024 * 1024;

class Kept extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.text.length < KEPT) this.text += chunk.toString('latin1');
    done();
  }
}

async function run(args: readonly string[]): Promise<Ran> {
  const [out, err] = [new Kept(), new Kept()];
  const code = await runProgram(args, {
    environment: process.env,
    out: out as unknown as NodeJS.WriteStream,
    err: err as unknown as NodeJS.WriteStream,
    input: process.stdin,
    signal: new AbortController().signal,
    outliveReader: () => undefined,
  });
  return { code, err: Buffer.from(err.text, 'latin1').toString(), out: Buffer.from(out.text, 'latin1').toString() };
}

const runs: Ran[] = [];
for (const args of JSON.parse(process.argv[2] ?? '[]') as string[][]) runs.push(await run(args));
process.stdout.write(JSON.stringify({ runs, memory: process.resourceUsage().maxRSS } satisfies Runs));
