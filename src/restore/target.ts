// The target of a restore, for the main thread: looks up names, makes and deletes files and directories.
// The workers write contents and metadata.
import { Buffer } from 'node:buffer';
import { chmodSync, closeSync, constants, fchmodSync, realpathSync } from 'node:fs';
import { errnoCode, VarveError } from '../errors/errors.js';
import { namesAt } from '../filesystem/directory.js';
import { fchmodat, mkdirat, openat, openDirectoryAt, rmdirat, unlinkat } from '../filesystem/posix.js';
import { type FileStat, lstat } from '../filesystem/stat.js';
import type { EntryStat } from '../format/entry.js';
import { compareTimes, type FileTime } from '../time/time.js';
import { DirectoryHandles, splitPath } from './directory-handles.js';
import { FileSystems } from './file-system.js';
import { refusesName, unsupportedName } from './names.js';
import type { Overwrite } from './options.js';
import { isOurs } from './temporary-names.js';

const PRIVATE = 0o600;
const PRIVATE_DIRECTORY = 0o700;

/** The directory that a restore writes to. */
export class Target {
  readonly #directories: DirectoryHandles;
  readonly #dryRun: boolean;
  readonly #fileSystems: FileSystems;
  /** Read-only directories that were made writable for this run, with their original modes. */
  #madeWritable: { readonly path: Buffer; readonly mode: number }[] = [];

  /**
   * @param dryRun whether only to determine what would be made and removed
   * @param probe a name for a temporary file
   */
  constructor(path: string, dryRun: boolean, probe: Buffer) {
    if (!dryRun) this.#makeTargetWritable(path);
    this.#directories = new DirectoryHandles(path);
    this.#dryRun = dryRun;
    this.#fileSystems = new FileSystems(() => probe, dryRun);
  }

  /** Says that the restore will set the target's mode at the end, so that close() need not. */
  becomesDirectory(): void {
    this.#madeWritable = this.#madeWritable.filter(({ path }) => path.length > 0);
  }

  /** Whether the file system of a directory ignores case in names. */
  ignoresCase(directory: Buffer): boolean {
    return this.#fileSystems.of(this.#directories.directory(directory)).ignoresCase;
  }

  /** The stat of a path below the target; undefined when it does not exist. Links are not followed. */
  stat(path: Buffer): FileStat | undefined {
    const { directory, name } = splitPath(path);
    try {
      return lstat(name, this.#directories.directory(directory));
    } catch (cause) {
      if (errnoCode(cause) === 'ENOENT') return undefined;
      throw refusesName(cause) ? unsupportedName(cause) : cause;
    }
  }

  /**
   * Makes a directory unless it exists. A read-only one is made writable for this run.
   *
   * @param replace whether to replace something else of that name
   * @param willSetMode whether the restore will set its mode at the end; otherwise close() does
   * @returns whether it is new and therefore empty
   */
  makeDirectory(path: Buffer, replace: boolean, willSetMode: boolean): boolean {
    const { directory, name } = splitPath(path);
    const parent = this.#directories.directory(directory);
    if (this.#dryRun) return wouldMakeDirectory(this.stat(path), replace);
    for (let attempt = 0; ; attempt++) {
      try {
        mkdirat(parent, name, PRIVATE_DIRECTORY);
        return true;
      } catch (cause) {
        if (refusesName(cause)) throw unsupportedName(cause);
        if (errnoCode(cause) !== 'EEXIST') throw cause;
        const stat = lstat(name, parent);
        if (stat.type === 'directory') {
          const opened = makeWritable(stat, (mode) => fchmodat(parent, name, mode));
          if (opened && !willSetMode) this.#madeWritable.push({ path: Buffer.from(path), mode: stat.mode });
          return false;
        }
        if (!replace || attempt > 0) throw notADirectory();
        unlinkat(parent, name);
      }
    }
  }

  names(directory: Buffer): Buffer[] {
    return namesAt(this.#directories.directory(directory));
  }

  /** Removes a name with everything below it, without following links. @returns the number of names removed */
  remove(path: Buffer): number {
    const { directory, name } = splitPath(path);
    return removeAt(this.#directories.directory(directory), name, this.#dryRun);
  }

  /** Makes an empty file that other users cannot read. */
  makeEmpty(path: Buffer): void {
    const { directory, name } = splitPath(path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    closeSync(openat(this.#directories.directory(directory), name, flags, PRIVATE));
  }

  /** Removes a temporary file, if it exists. */
  discard(path: Buffer): void {
    const { directory, name } = splitPath(path);
    try {
      unlinkat(this.#directories.directory(directory), name);
    } catch {
      // It was never made, or is renamed already.
    }
  }

  /** Removes a temporary file of an ended run. */
  removeLeftover(path: Buffer): void {
    try {
      const stat = this.stat(path);
      if (stat === undefined) return;
      const directory = this.#directories.directory(splitPath(path).directory);
      if (isOurs(stat) || this.#fileSystems.isLikeNew(directory, stat)) this.discard(path);
    } catch {
      // It stays.
    }
  }

  close(): void {
    for (const { path, mode } of this.#madeWritable.reverse()) {
      try {
        fchmodSync(this.#directories.directory(path), mode);
      } catch {
        // It was removed, or belongs to another user now.
      }
    }
    this.#directories.close();
  }

  #makeTargetWritable(path: string): void {
    const stat = lstat(Buffer.from(realpathSync(path)));
    if (makeWritable(stat, (mode) => chmodSync(path, mode)))
      this.#madeWritable.push({ path: Buffer.alloc(0), mode: stat.mode });
  }
}

/** Makes a directory writable for its owner, unless that is root, who needs no permission. @returns whether the mode was changed */
function makeWritable({ uid, mode }: FileStat, change: (mode: number) => void): boolean {
  if (uid === 0 || uid !== process.geteuid?.() || (mode & PRIVATE_DIRECTORY) === PRIVATE_DIRECTORY) return false;
  try {
    change(mode | PRIVATE_DIRECTORY);
    return true;
  } catch {
    // Writing to it will report the error.
    return false;
  }
}

function wouldMakeDirectory(stat: FileStat | undefined, replace: boolean): boolean {
  if (stat !== undefined && stat.type !== 'directory' && !replace) throw notADirectory();
  return stat?.type !== 'directory';
}

const notADirectory = (): VarveError =>
  new VarveError('target', 'exists and is not a directory; to replace it use another --overwrite than never');

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

/** Whether the snapshot's file replaces an existing one. */
export function shouldWrite(existing: FileStat | undefined, entry: EntryStat, overwrite: Overwrite): boolean {
  if (existing === undefined || overwrite === 'always') return true;
  if (overwrite === 'never') return false;
  const newer = compareTimes(modified(entry), modified(existing));
  if (overwrite === 'if-newer') return newer > 0;
  return existing.type !== entry.type || existing.size !== entry.size || newer !== 0;
}
