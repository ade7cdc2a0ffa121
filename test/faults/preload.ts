/** Builds the library that fails calls of libc in another process, says what shall fail, and reads what did. */
import { spawnSync } from 'node:child_process';
import { closeSync, constants as flags, openSync, readFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missingPrograms } from '../servers/programs.js';

/** In the order of the library's enum. */
export const CALL_CLASSES = [
  'open',
  'read',
  'write',
  'fsync',
  'rename',
  'readdir',
  'stat',
  'unlink',
  'make',
  'attributes',
  'close',
] as const;
export type CallClass = (typeof CALL_CLASSES)[number];

export const ERRORS = ['EIO', 'EACCES', 'ENOSPC', 'ESTALE'] as const;
/** In the order of the library's enum. `path`: the k-th call fails, and all later calls of its class on the same path, as with a bad sector. */
export const MODES = ['once', 'ever', 'path'] as const;

export interface Fault {
  /** The number of the path below which calls fail. */
  readonly area: number;
  readonly calls: CallClass;
  /** The number of the first call that fails, from 1. */
  readonly at: number;
  readonly mode: (typeof MODES)[number];
  readonly error: (typeof ERRORS)[number];
}

export interface Report {
  /** Calls below each path. */
  readonly counts: readonly Readonly<Record<CallClass, number>>[];
  /** Calls that failed. */
  readonly failed: number;
  /** The first call that failed, and its path. */
  readonly call: string;
  readonly path: string;
}

const SOURCE = fileURLToPath(new URL('../../../test/faults/faults.c', import.meta.url));
const CALL_BYTES = 64;
const PATH_BYTES = 4096;
const AREAS = 8;
/** Numbers of 8 bytes: what fails, then counts of calls. */
const COUNTS_AT = 5;
const FAILED_AT = COUNTS_AT + AREAS * CALL_CLASSES.length;
const CALL_AT = (FAILED_AT + 1) * 8;
const REPORT_BYTES = CALL_AT + CALL_BYTES + PATH_BYTES;

/** Why faults cannot be injected here; false where they can. */
export const NO_FAULTS: false | string =
  process.platform === 'linux' ? missingPrograms(['gcc'], 'gcc libc6-dev') : 'needs Linux';

export class Preload {
  readonly #library: string;
  readonly #report: string;

  /** @param directory gets the library and its report */
  constructor(directory: string) {
    this.#library = join(directory, 'faults.so');
    this.#report = join(directory, 'report');
    const args = ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', this.#library, SOURCE, '-ldl', '-lpthread'];
    const { status, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`gcc ${args.join(' ')}: ${stderr}`);
  }

  /** Variables for a process whose calls below each path are counted, and fail as `arm` says. */
  environment(below: readonly string[]): Record<string, string> {
    return { LD_PRELOAD: this.#library, FAULTS_BELOW: below.join('\n'), FAULTS_REPORT: this.#report };
  }

  /** From now on this fails, or nothing; counts begin again. */
  arm(fault?: Fault): void {
    const bytes = Buffer.alloc(REPORT_BYTES);
    const fields = fault && [
      fault.area,
      CALL_CLASSES.indexOf(fault.calls),
      MODES.indexOf(fault.mode),
      constants.errno[fault.error],
      fault.at,
    ];
    for (const [place, field] of (fields ?? [-1]).entries()) bytes.writeBigInt64LE(BigInt(field), place * 8);
    // A process may have it in its memory: it is never cut short.
    const file = openSync(this.#report, flags.O_RDWR | flags.O_CREAT);
    writeSync(file, bytes);
    closeSync(file);
  }

  /** What has been done since `arm`. */
  report(): Report {
    const bytes = readFileSync(this.#report);
    const number = (place: number): number => Number(bytes.readBigUInt64LE(place * 8));
    const text = (from: number, length: number): string => {
      const part = bytes.subarray(from, from + length);
      return part.subarray(0, part.indexOf(0)).toString();
    };
    return {
      counts: Array.from(
        { length: AREAS },
        (_, area) =>
          Object.fromEntries(
            CALL_CLASSES.map((name, i) => [name, number(COUNTS_AT + area * CALL_CLASSES.length + i)]),
          ) as Report['counts'][number],
      ),
      failed: number(FAILED_AT),
      call: text(CALL_AT, CALL_BYTES),
      path: text(CALL_AT + CALL_BYTES, PATH_BYTES),
    };
  }
}
