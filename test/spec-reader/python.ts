import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The reader needs Debian's modules, so it is Debian's Python that runs it. */
const PYTHON = '/usr/bin/python3';
const READER = fileURLToPath(new URL('../../../test/spec-reader/varve_reader.py', import.meta.url));

/** Why the reader cannot run here; undefined when it can. */
export function whyNoReader(): string | undefined {
  const { status } = spawnSync(PYTHON, ['-c', 'import cryptography, msgpack, zstandard'], { stdio: 'ignore' });
  if (status === 0) return undefined;
  return `NOT TESTED: SPEC.md's reader needs ${PYTHON} with python3-cryptography, python3-msgpack and python3-zstandard (apt-get install them)`;
}

/** The output of a program in Python. */
export function runPython(program: string, ...args: readonly string[]): string {
  return execFileSync(PYTHON, ['-c', program, ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

export interface ReaderOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs varve_reader.py with the password on its standard input. */
export function runReader(password: string, ...args: readonly string[]): Promise<ReaderOutcome> {
  return new Promise((resolve, reject) => {
    const child = execFile(PYTHON, [READER, ...args], { maxBuffer: 64 * 1024 * 1024 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      // Python ends with 1 as well when it trips; to refuse is something else.
      if (code !== 0 && !/^refused: /m.test(err))
        reject(new Error(`varve_reader.py ${args.join(' ')}: ${code}: ${err}`));
      else resolve({ code, out, err });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(`${password}\n`);
  });
}

/** @throws when the reader refuses */
export async function readerOutput(password: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await runReader(password, ...args);
  if (code !== 0) throw new Error(`varve_reader.py ${args.join(' ')}: exit code ${code}: ${err}`);
  return out;
}
