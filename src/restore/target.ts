import type { Buffer } from 'node:buffer';
import { closeSync, constants } from 'node:fs';
import { errnoCode, VarveError } from '../errors/errors.js';
import { namesAt } from '../filesystem/directory.js';
import { fchmodat, mkdirat, openat, openDirectoryAt, rmdirat, unlinkat } from '../filesystem/posix.js';
import { type FileStat, lstat } from '../filesystem/stat.js';
import type { EntryStat } from '../format/entry.js';
import { FolderHandles, splitPath } from './folder-handles.js';
import type { Overwrite } from './options.js';
import { isOurs } from './temporary-names.js';

const PRIVATE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** The place that is restored to, as the main thread sees it: which names are there, folders, deletions. */
export class Target {
  readonly #folders: FolderHandles;
  readonly #dryRun: boolean;

  /** @param dryRun whether only to tell what would be made and removed */
  constructor(path: string, dryRun: boolean) {
    this.#folders = new FolderHandles(path);
    this.#dryRun = dryRun;
  }

  /** What is at a path below the target; a link is not followed. */
  stat(path: Buffer): FileStat | undefined {
    const { folder, name } = splitPath(path);
    try {
      return lstat(name, this.#folders.folder(folder));
    } catch (cause) {
      if (errnoCode(cause) === 'ENOENT') return undefined;
      throw cause;
    }
  }

  /**
   * Makes a folder unless it is there.
   *
   * @param replace whether something else under that name may be removed for it
   * @param isToChange whether its mode will be set when all in it is restored: then one that is read-only is opened up till then
   * @returns true when it is new, so that nothing can be in it
   */
  makeFolder(path: Buffer, replace: boolean, isToChange: boolean): boolean {
    const { folder, name } = splitPath(path);
    const parent = this.#folders.folder(folder);
    if (this.#dryRun) return wouldMakeFolder(this.stat(path), replace);
    for (let attempt = 0; ; attempt++) {
      try {
        mkdirat(parent, name, PRIVATE_FOLDER);
        return true;
      } catch (cause) {
        if (errnoCode(cause) !== 'EEXIST') throw cause;
        const stat = lstat(name, parent);
        if (stat.type === 'directory') {
          if (isToChange) openUp(parent, name, stat);
          return false;
        }
        if (!replace || attempt > 0) throw inTheWay();
        unlinkat(parent, name);
      }
    }
  }

  names(folder: Buffer): Buffer[] {
    return namesAt(this.#folders.folder(folder));
  }

  /** Removes a name with everything below it, without following links. @returns how many names are gone */
  remove(path: Buffer): number {
    const { folder, name } = splitPath(path);
    return removeAt(this.#folders.folder(folder), name, this.#dryRun);
  }

  /** Makes an empty file that nobody else may read. */
  makeEmpty(path: Buffer): void {
    const { folder, name } = splitPath(path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    closeSync(openat(this.#folders.folder(folder), name, flags, PRIVATE));
  }

  /** Removes a temporary file, if it is there. */
  discard(path: Buffer): void {
    const { folder, name } = splitPath(path);
    try {
      unlinkat(this.#folders.folder(folder), name);
    } catch {
      // Never made, or renamed already.
    }
  }

  /** Removes what an ended run has left. */
  removeLeftover(path: Buffer): void {
    try {
      const stat = this.stat(path);
      if (stat !== undefined && isOurs(stat)) this.discard(path);
    } catch {
      // Then it stays.
    }
  }

  close(): void {
    this.#folders.close();
  }
}

/** Root can write to any folder. */
function openUp(parent: number, name: Buffer, { uid, mode }: FileStat): void {
  if (uid === 0 || uid !== process.geteuid?.() || (mode & PRIVATE_FOLDER) === PRIVATE_FOLDER) return;
  try {
    fchmodat(parent, name, mode | PRIVATE_FOLDER);
  } catch {
    // What cannot be written in it is told.
  }
}

function wouldMakeFolder(stat: FileStat | undefined, replace: boolean): boolean {
  if (stat !== undefined && stat.type !== 'directory' && !replace) throw inTheWay();
  return stat?.type !== 'directory';
}

const inTheWay = (): VarveError =>
  new VarveError('target', 'is there already and is not a folder; with another --overwrite than never it gives way');

function removeAt(parent: number, name: Buffer, dryRun: boolean): number {
  if (lstat(name, parent).type !== 'directory') {
    if (!dryRun) unlinkat(parent, name);
    return 1;
  }
  const folder = openDirectoryAt(parent, name);
  let count = 1;
  try {
    for (const child of namesAt(folder)) count += removeAt(folder, child, dryRun);
  } finally {
    closeSync(folder);
  }
  if (!dryRun) rmdirat(parent, name);
  return count;
}

/** Whether an existing file gives way to the snapshot's. */
export function shouldWrite(existing: FileStat | undefined, entry: EntryStat, overwrite: Overwrite): boolean {
  if (existing === undefined || overwrite === 'always') return true;
  if (overwrite === 'never') return false;
  const newer = entry.mtimeSeconds - existing.mtimeSeconds || entry.mtimeNanoseconds - existing.mtimeNanoseconds;
  if (overwrite === 'if-newer') return newer > 0;
  return existing.type !== entry.type || existing.size !== entry.size || newer !== 0;
}
