// Names of temporary files, and what earlier runs left of them.
// Which are used again is decided in restore.ts and comparer.ts.
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { errnoCode } from '../errors/errors.js';
import type { FileStat } from '../filesystem/stat.js';

const TEMPORARY = /^\.varve-(?:tmp-|part-([0-9a-f]+)-)((\d+)-[0-9a-f]+)(?:-|$)/;
const BEGINNING = Buffer.from('.varve-');
const MARKER = '-target';
const FOR_OTHERS = 0o077;

/** Running restores of this process. */
const running = new Set<string>();

/** Makes a unique name for a run. It contains the process id. */
export function beginRun(): string {
  const run = `${process.pid}-${randomBytes(6).toString('hex')}`;
  running.add(run);
  return run;
}

export function endRun(run: string): void {
  running.delete(run);
}

/** The temporary name of a file that several tasks write. A later run can find it and continue. */
export function partName(name: Buffer, run: string): Buffer {
  return Buffer.from(`.varve-part-${hashOf(name)}-${run}`);
}

/** The beginning of temporary names of files that one task writes. */
export const temporaryPrefix = (run: string, worker: string): string => `.varve-tmp-${run}-${worker}-`;

/** The name of the marker file in a target that was empty, so that it gets the metadata of the restored directory at the end. */
export const markerName = (run: string): Buffer => Buffer.from(`.varve-tmp-${run}${MARKER}`);

/** The name of the file with which a run probes the target's file system. */
export const probeName = (run: string): Buffer => Buffer.from(`.varve-tmp-${run}-probe`);

/** Whether a name looks like that of a temporary file. */
export const isTemporary = (name: Buffer): boolean =>
  name.length > BEGINNING.length &&
  name[0] === BEGINNING[0] &&
  name.indexOf(BEGINNING) === 0 &&
  TEMPORARY.test(name.toString('latin1'));

/** Temporary files that interrupted runs have left in a directory. */
export class Leftovers {
  readonly #parts = new Map<string, Buffer>();
  readonly #others: Buffer[] = [];
  /** Whether the directory holds nothing else, or held nothing else when the first of these runs began. */
  readonly alone: boolean;

  /** @param names all names in the directory */
  constructor(names: readonly Buffer[]) {
    let others = 0;
    let isMarked = false;
    for (const name of names) {
      const [, hash, run, process] = TEMPORARY.exec(name.toString('latin1')) ?? [];
      if (run === undefined || isRunning(run, Number(process))) {
        others++;
        continue;
      }
      isMarked ||= name.toString('latin1').endsWith(MARKER);
      if (hash === undefined || this.#parts.has(hash)) this.#others.push(name);
      else this.#parts.set(hash, name);
    }
    this.alone = isMarked || others === 0;
  }

  /** Removes and returns the part of the file with this name. */
  take(name: Buffer): Buffer | undefined {
    if (this.#parts.size === 0) return undefined;
    const hash = hashOf(name);
    const part = this.#parts.get(hash);
    this.#parts.delete(hash);
    return part;
  }

  /** The leftovers that were not taken. */
  get rest(): Buffer[] {
    return [...this.#others, ...this.#parts.values()];
  }
}

/** Whether a file can only have been written by this user. */
export function isOurPart(stat: FileStat): boolean {
  const { type, links, uid, mode } = stat;
  return type === 'file' && links === 1 && uid === process.geteuid?.() && (mode & FOR_OTHERS) === 0;
}

/** Whether a file with a temporary name may be removed. One of root may have its final owner already. */
export function isOurs(stat: FileStat): boolean {
  const uid = process.geteuid?.();
  return stat.type !== 'directory' && (stat.uid === uid || uid === 0);
}

const hashOf = (name: Buffer): string => createHash('sha256').update(name).digest('hex').slice(0, 32);

function isRunning(run: string, pid: number): boolean {
  if (pid === process.pid) return running.has(run);
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return errnoCode(cause) !== 'ESRCH';
  }
}
