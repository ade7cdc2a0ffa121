// An open directory: its names, and files relative to it, without following links.
// stat.ts and posix.ts make the calls.
import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync, readdirSync } from 'node:fs';
import type { Int64 } from '../bytes/int64.js';
import { errnoCode, VarveError } from '../errors/errors.js';
import { joinPath } from '../format/path.js';
import { libc, systemError } from './libc.js';
import { NameCollector, NameList } from './name-list.js';
import { AT_FDCWD, openat, openDirectoryAt, pathAt, readlinkat } from './posix.js';
import { type FileStat, fstat, lstat } from './stat.js';
import type { XattrPlace } from './xattrs.js';

/** Size in bytes of one getdents64 request. */
const NAMES_BYTES = 32 * 1024;
const HERE = Buffer.from('.');
const SLASH = Buffer.from('/');
const {
  O_RDONLY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_DIRECTORY,
  O_NOATIME = 0,
} = constants as typeof constants & {
  O_NOATIME?: number;
};

const DIRECTORY_ITSELF = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

/** Which directory a path led to when it was listed. A later open refuses anything else at that path. */
export interface DirectoryPlace {
  readonly path: Uint8Array;
  /** Bytes at the path's beginning in which links are followed: what leads to a source. */
  readonly above: number;
  readonly device: Int64;
  readonly inode: number | bigint;
}

/** An open directory: its entries are reached by name alone, not by a path that may change. */
export class Directory {
  readonly path: Buffer;
  /** The device of a file system that has been mounted there since it was listed, as automounters do when it is opened. */
  readonly mounted: Int64 | undefined;
  readonly #descriptor: number;
  readonly #gathered: ReadonlyMap<string, string> | undefined;

  private constructor(path: Buffer, descriptor: number, mounted?: Int64, gathered?: ReadonlyMap<string, string>) {
    this.path = path;
    this.#descriptor = descriptor;
    this.mounted = mounted;
    this.#gathered = gathered;
  }

  /** Opens a directory, but not through a link that stands for it. */
  static open(path: Buffer): Directory {
    return new Directory(path, libc() === undefined ? AT_FDCWD : openDirectoryAt(AT_FDCWD, path));
  }

  /**
   * Opens a directory that was found earlier: by its path, and if that leads elsewhere (or is longer than the system takes), step by step
   * without following links.
   *
   * @throws VarveError `source` when it no longer exists
   */
  static openPlace(place: DirectoryPlace): Directory {
    const path = Buffer.from(place.path);
    if (libc() === undefined) return Directory.unopened(path);
    const descriptor = openByPath(path, place) ?? openByStep(path, place.above);
    if (isPlace(descriptor, place)) return new Directory(path, descriptor);
    const { device } = fstat(descriptor);
    if (device !== place.device) return new Directory(path, descriptor, device);
    closeSync(descriptor);
    throw new VarveError('source', 'was replaced by another directory while the backup was on its way to it');
  }

  /** A directory on the way to a source: links are followed, and it need not be one that may be listed. */
  static openAbove(path: Buffer): Directory {
    try {
      return new Directory(path, libc() === undefined ? AT_FDCWD : openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
    } catch {
      return Directory.unopened(path);
    }
  }

  /** A directory whose names are known already, and which may be one that cannot be listed. */
  static unopened(path: Buffer): Directory {
    return new Directory(path, AT_FDCWD);
  }

  /**
   * A directory that is not there: its names are those of paths elsewhere.
   *
   * @param gathered the path of each name, both as latin1
   */
  static gathered(path: Buffer, gathered: ReadonlyMap<string, string>): Directory {
    return new Directory(path, AT_FDCWD, undefined, gathered);
  }

  /** The path of a name in it. */
  pathOf(name: Buffer): Buffer {
    const elsewhere = this.#gathered?.get(name.toString('latin1'));
    return elsewhere === undefined ? joinPath(this.path, name) : Buffer.from(elsewhere, 'latin1');
  }

  /** The names in it, in byte order. To be called once. */
  names(): NameList {
    return this.#descriptor === AT_FDCWD ? NameList.of(readNames(this.path)) : listNames(this.#descriptor).sorted();
  }

  lstat(name: Buffer): FileStat {
    return this.#descriptor === AT_FDCWD ? lstat(this.pathOf(name)) : lstat(name, this.#descriptor);
  }

  readlink(name: Buffer): Buffer {
    return this.#descriptor === AT_FDCWD ? readlinkat(AT_FDCWD, this.pathOf(name)) : readlinkat(this.#descriptor, name);
  }

  /** Opens a file in it for reading: never through a link, and without touching its access time where that is allowed. */
  openFile(name: Buffer): number {
    return openUnnoticed(O_RDONLY | O_NOFOLLOW | O_NONBLOCK, (flags) =>
      this.#descriptor === AT_FDCWD ? openSync(this.pathOf(name), flags) : openat(this.#descriptor, name, flags),
    );
  }

  /** Where its own attributes are, or those of a name in it. */
  xattrPlace(name?: Buffer): XattrPlace {
    if (name !== undefined)
      return this.#descriptor === AT_FDCWD
        ? { directory: AT_FDCWD, name: this.pathOf(name) }
        : { directory: this.#descriptor, name };
    return this.#descriptor === AT_FDCWD ? { directory: AT_FDCWD, name: this.path } : this.#descriptor;
  }

  /** A path that leads to it, however long its own is. */
  get shortPath(): Buffer {
    return this.#descriptor === AT_FDCWD ? this.path : pathAt(this.#descriptor, HERE);
  }

  close(): void {
    if (this.#descriptor !== AT_FDCWD) closeSync(this.#descriptor);
  }
}

/** Opens without touching the access time where that is allowed: to the owner and to root. */
function openUnnoticed(flags: number, open: (flags: number) => number): number {
  try {
    return open(flags | O_NOATIME);
  } catch (cause) {
    if (O_NOATIME === 0 || errnoCode(cause) !== 'EPERM') throw cause;
    return open(flags);
  }
}

/** Undefined when the path leads elsewhere, or is too long. */
function openByPath(path: Buffer, place: DirectoryPlace): number | undefined {
  let descriptor: number;
  try {
    descriptor = openUnnoticed(DIRECTORY_ITSELF, (flags) => openat(AT_FDCWD, path, flags));
  } catch (cause) {
    if (['ENAMETOOLONG', 'ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoCode(cause) ?? '')) return undefined;
    throw cause;
  }
  if (isPlace(descriptor, place)) return descriptor;
  closeSync(descriptor);
  return undefined;
}

function openByStep(path: Buffer, above: number): number {
  const followed = path.subarray(0, above).toString('latin1').split('/').filter(Boolean);
  const names = path.toString('latin1').split('/').filter(Boolean);
  let descriptor = openDirectoryAt(AT_FDCWD, SLASH);
  for (const [depth, each] of names.entries()) {
    const name = Buffer.from(each, 'latin1');
    const parent = descriptor;
    try {
      const followsLinks = depth < followed.length;
      const wanted = followsLinks ? O_RDONLY | O_DIRECTORY : DIRECTORY_ITSELF;
      descriptor = openUnnoticed(wanted, (flags) => openat(parent, name, flags));
    } finally {
      closeSync(parent);
    }
  }
  return descriptor;
}

function isPlace(descriptor: number, { device, inode }: DirectoryPlace): boolean {
  const stat = fstat(descriptor);
  return stat.inode === inode && stat.device === device;
}

/** The names in the directory that a descriptor stands for. */
export function namesAt(directory: number): Buffer[] {
  if (libc() === undefined) return readNames(pathAt(directory, HERE));
  const descriptor = openDirectoryAt(directory, HERE);
  try {
    return [...listNames(descriptor).sorted()];
  } finally {
    closeSync(descriptor);
  }
}

const readNames = (path: Buffer): Buffer[] => readdirSync(path, { encoding: 'buffer' });

const area = Buffer.alloc(NAMES_BYTES);

/** The kernel's own answer: `fs` makes several objects of each name, which took a fifth of the time to list a directory. */
function listNames(descriptor: number): NameCollector {
  const names = new NameCollector();
  const c = libc();
  if (c?.getdents64 === undefined) {
    for (const name of readNames(pathAt(descriptor, HERE))) names.add(name, 0, name.length);
    return names;
  }
  for (;;) {
    const length = c.getdents64(descriptor, area, NAMES_BYTES);
    if (length < 0) throw systemError(c.errno(), 'getdents64');
    if (length === 0) return names;
    names.addRecords(area, length);
  }
}
