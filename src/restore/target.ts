import { Buffer } from 'node:buffer';
import { chmodSync, closeSync, constants, fchmodSync, realpathSync } from 'node:fs';
import { errnoCode, VarveError } from '../errors/errors.js';
import { namesAt } from '../filesystem/directory.js';
import { fchmodat, mkdirat, openat, openDirectoryAt, rmdirat, unlinkat } from '../filesystem/posix.js';
import { type FileStat, lstat } from '../filesystem/stat.js';
import type { EntryStat } from '../format/entry.js';
import { compareTimes, type FileTime } from '../format/time.js';
import { DirectoryHandles, splitPath } from './directory-handles.js';
import { FileSystems } from './file-system.js';
import { noSuchName, refusesName } from './names.js';
import type { Overwrite } from './options.js';
import { isOurs } from './temporary-names.js';

const PRIVATE = 0o600;
const PRIVATE_DIRECTORY = 0o700;

/** The place that is restored to, as the main thread sees it: which names are there, directories, deletions. */
export class Target {
  readonly #directories: DirectoryHandles;
  readonly #dryRun: boolean;
  readonly #fileSystems: FileSystems;
  /** Directories that are read-only and opened up for this run. */
  #opened: { readonly path: Buffer; readonly mode: number }[] = [];

  /**
   * @param dryRun whether only to tell what would be made and removed
   * @param probe a name for a temporary file
   */
  constructor(path: string, dryRun: boolean, probe: Buffer) {
    if (!dryRun) this.#openUpTarget(path);
    this.#directories = new DirectoryHandles(path);
    this.#dryRun = dryRun;
    this.#fileSystems = new FileSystems(() => probe, dryRun);
  }

  /** Its mode will be set when all in it is restored, as that of a directory that `makeDirectory` is to change. */
  becomesDirectory(): void {
    this.#opened = this.#opened.filter(({ path }) => path.length > 0);
  }

  /** Whether names in a directory that differ only in case are one name. */
  ignoresCase(directory: Buffer): boolean {
    return this.#fileSystems.of(this.#directories.directory(directory)).ignoresCase;
  }

  /** What is at a path below the target; a link is not followed. */
  stat(path: Buffer): FileStat | undefined {
    const { directory, name } = splitPath(path);
    try {
      return lstat(name, this.#directories.directory(directory));
    } catch (cause) {
      if (errnoCode(cause) === 'ENOENT') return undefined;
      throw refusesName(cause) ? noSuchName(cause) : cause;
    }
  }

  /**
   * Makes a directory unless it is there.
   *
   * @param replace whether something else under that name may be removed for it
   * @param isToChange whether its mode will be set when all in it is restored. One that is read-only is opened up till then, or till the end
   * @returns true when it is new, so that nothing can be in it
   */
  makeDirectory(path: Buffer, replace: boolean, isToChange: boolean): boolean {
    const { directory, name } = splitPath(path);
    const parent = this.#directories.directory(directory);
    if (this.#dryRun) return wouldMakeDirectory(this.stat(path), replace);
    for (let attempt = 0; ; attempt++) {
      try {
        mkdirat(parent, name, PRIVATE_DIRECTORY);
        return true;
      } catch (cause) {
        if (refusesName(cause)) throw noSuchName(cause);
        if (errnoCode(cause) !== 'EEXIST') throw cause;
        const stat = lstat(name, parent);
        if (stat.type === 'directory') {
          const opened = openUp(stat, (mode) => fchmodat(parent, name, mode));
          if (opened && !isToChange) this.#opened.push({ path: Buffer.from(path), mode: stat.mode });
          return false;
        }
        if (!replace || attempt > 0) throw inTheWay();
        unlinkat(parent, name);
      }
    }
  }

  names(directory: Buffer): Buffer[] {
    return namesAt(this.#directories.directory(directory));
  }

  /** Removes a name with everything below it, without following links. @returns how many names are gone */
  remove(path: Buffer): number {
    const { directory, name } = splitPath(path);
    return removeAt(this.#directories.directory(directory), name, this.#dryRun);
  }

  /** Makes an empty file that nobody else may read. */
  makeEmpty(path: Buffer): void {
    const { directory, name } = splitPath(path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    closeSync(openat(this.#directories.directory(directory), name, flags, PRIVATE));
  }

  /** Removes a temporary file, if it is there. */
  discard(path: Buffer): void {
    const { directory, name } = splitPath(path);
    try {
      unlinkat(this.#directories.directory(directory), name);
    } catch {
      // Never made, or renamed already.
    }
  }

  /** Removes what an ended run has left. */
  removeLeftover(path: Buffer): void {
    try {
      const stat = this.stat(path);
      if (stat === undefined) return;
      const directory = this.#directories.directory(splitPath(path).directory);
      if (isOurs(stat) || this.#fileSystems.isLikeNew(directory, stat)) this.discard(path);
    } catch {
      // Then it stays.
    }
  }

  close(): void {
    for (const { path, mode } of this.#opened.reverse()) {
      try {
        fchmodSync(this.#directories.directory(path), mode);
      } catch {
        // It is gone, or somebody else's.
      }
    }
    this.#directories.close();
  }

  #openUpTarget(path: string): void {
    const stat = lstat(Buffer.from(realpathSync(path)));
    if (openUp(stat, (mode) => chmodSync(path, mode))) this.#opened.push({ path: Buffer.alloc(0), mode: stat.mode });
  }
}

/** Lets the owner of a directory write to it; root can anyway. @returns whether the mode was changed */
function openUp({ uid, mode }: FileStat, change: (mode: number) => void): boolean {
  if (uid === 0 || uid !== process.geteuid?.() || (mode & PRIVATE_DIRECTORY) === PRIVATE_DIRECTORY) return false;
  try {
    change(mode | PRIVATE_DIRECTORY);
    return true;
  } catch {
    // An error tells what cannot be written in it.
    return false;
  }
}

function wouldMakeDirectory(stat: FileStat | undefined, replace: boolean): boolean {
  if (stat !== undefined && stat.type !== 'directory' && !replace) throw inTheWay();
  return stat?.type !== 'directory';
}

const inTheWay = (): VarveError =>
  new VarveError('target', 'is there already and is not a directory; with another --overwrite than never it gives way');

function removeAt(parent: number, name: Buffer, dryRun: boolean): number {
  if (lstat(name, parent).type !== 'directory') {
    if (!dryRun) unlinkat(parent, name);
    return 1;
  }
  const directory = openDirectoryAt(parent, name);
  let count = 1;
  try {
    for (const child of namesAt(directory)) count += removeAt(directory, child, dryRun);
  } finally {
    closeSync(directory);
  }
  if (!dryRun) rmdirat(parent, name);
  return count;
}

const modified = ({ mtimeSeconds, mtimeNanoseconds }: EntryStat): FileTime => ({
  seconds: mtimeSeconds,
  nanoseconds: mtimeNanoseconds,
});

/** Whether an existing file gives way to the snapshot's. */
export function shouldWrite(existing: FileStat | undefined, entry: EntryStat, overwrite: Overwrite): boolean {
  if (existing === undefined || overwrite === 'always') return true;
  if (overwrite === 'never') return false;
  const newer = compareTimes(modified(entry), modified(existing));
  if (overwrite === 'if-newer') return newer > 0;
  return existing.type !== entry.type || existing.size !== entry.size || newer !== 0;
}
