import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { errnoCode } from '../errors/errors.js';
import type { FileStat } from '../filesystem/stat.js';

const TEMPORARY = /^\.varve-(?:tmp-|part-([0-9a-f]+)-)((\d+)-[0-9a-f]+)(?:-|$)/;
const BEGINNING = Buffer.from('.varve-');
const MARKER = '-target';
const FOR_OTHERS = 0o077;

/** Restores of this process that go on. */
const running = new Set<string>();

/** A name for a run, unlike that of any other; it says which process it is of. */
export function beginRun(): string {
  const run = `${process.pid}-${randomBytes(6).toString('hex')}`;
  running.add(run);
  return run;
}

export function endRun(run: string): void {
  running.delete(run);
}

/** The name under which a file grows that is written by and by; a later run finds it. */
export function partName(name: Buffer, run: string): Buffer {
  return Buffer.from(`.varve-part-${hashOf(name)}-${run}`);
}

/** The beginning of names of what is written in one go. */
export const temporaryPrefix = (run: string, worker: string): string => `.varve-tmp-${run}-${worker}-`;

/** The name that says in a target, while it is restored to, that it was empty and is to become the directory restored. */
export const markerName = (run: string): Buffer => Buffer.from(`.varve-tmp-${run}${MARKER}`);

/** The name of a file that a run makes only to learn how the target's file system treats it. */
export const probeName = (run: string): Buffer => Buffer.from(`.varve-tmp-${run}-probe`);

/** Whether a name looks like one of a temporary file. */
export const isTemporary = (name: Buffer): boolean =>
  name.length > BEGINNING.length &&
  name[0] === BEGINNING[0] &&
  name.indexOf(BEGINNING) === 0 &&
  TEMPORARY.test(name.toString('latin1'));

/** What runs that ended before their time have left in a directory. */
export class Leftovers {
  readonly #parts = new Map<string, Buffer>();
  readonly #others: Buffer[] = [];
  /** Whether there was nothing else, also when the first of these runs began. */
  readonly alone: boolean;

  /** @param names in the directory */
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

  /** Takes out the part of the file with this name. */
  take(name: Buffer): Buffer | undefined {
    if (this.#parts.size === 0) return undefined;
    const hash = hashOf(name);
    const part = this.#parts.get(hash);
    this.#parts.delete(hash);
    return part;
  }

  /** What is still here. */
  get rest(): Buffer[] {
    return [...this.#others, ...this.#parts.values()];
  }
}

/** Whether a part is a file that only we have written to. */
export function isOurPart(stat: FileStat): boolean {
  const { type, links, uid, mode } = stat;
  return type === 'file' && links === 1 && uid === process.geteuid?.() && (mode & FOR_OTHERS) === 0;
}

/** Whether what has a temporary file's name may be removed. Root's may have another owner already. */
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
