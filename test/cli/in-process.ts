// Runs a command of the command line inside the test's process, which saves the start of Node. Decides which commands of a playground can run so;
// `varve.ts` starts the others as processes.
import { Readable, Writable } from 'node:stream';
import { runProgram } from '../../src/cli/program/program.js';
import { NEEDS_LOCAL } from '../servers/test-place.js';
import { WHOLE } from '../whole.js';
import type { Options, Outcome } from './varve.js';

/** These end with a signal only. */
const SERVERS = new Set(['mount', 'serve']);
/** Variables that the program takes from the environment it is given, not from that of its process. */
const OF_PROGRAM = /^(VARVE|RESTIC)_|^XDG_CACHE_HOME$/;

/** How many commands run in this process now. */
let running = 0;

/**
 * Whether the command does nothing that needs a process of its own: it reads no standard input, its variables are those of the program, and
 * no other command runs. `npm run test:whole` has a process for each.
 */
export function canRunInProcess(args: readonly string[], { env = {}, input, cwd, stdout }: Options): boolean {
  const isPlain = input === undefined && cwd === undefined && stdout === undefined;
  const readsInput = args.some((arg) => arg === '-' || arg.endsWith('=-') || arg.startsWith('--stdin'));
  const isLong = args.some((arg) => SERVERS.has(arg));
  const isReady = !WHOLE && NEEDS_LOCAL === false && running === 0;
  return isReady && isPlain && !readsInput && !isLong && Object.keys(env).every((name) => OF_PROGRAM.test(name));
}

/** Runs the command line in this process, in a working directory. */
export async function runIn(
  directory: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<Outcome> {
  const before = process.cwd();
  process.chdir(directory);
  try {
    return await runInProcess(args, environment);
  } finally {
    process.chdir(before);
  }
}

/** Runs the command line in this process. */
export async function runInProcess(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  { columns, isTTY = false }: { readonly columns?: number; readonly isTTY?: boolean } = {},
): Promise<Outcome & { readonly code: number }> {
  const [out, err] = [new Gathered(columns, isTTY), new Gathered(columns, isTTY)];
  running++;
  try {
    const code = await runProgram(args, {
      environment,
      out: out as unknown as NodeJS.WriteStream,
      err: err as unknown as NodeJS.WriteStream,
      input: Readable.from([]) as unknown as NodeJS.ReadStream,
      signal: new AbortController().signal,
      outliveReader: () => undefined,
    });
    return { code, out: out.bytes.toString(), err: err.bytes.toString(), bytes: out.bytes };
  } finally {
    running--;
  }
}

/** Keeps what is written to it. */
class Gathered extends Writable {
  readonly columns: number | undefined;
  readonly isTTY: boolean;
  readonly #chunks: Buffer[] = [];

  constructor(columns: number | undefined, isTTY: boolean) {
    super();
    this.columns = columns;
    this.isTTY = isTTY;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}
