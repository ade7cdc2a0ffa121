// Finds out how the file systems below a target treat new files, with a temporary file on each.
// What a restore does with that is decided in comparer.ts, growing-file.ts and target.ts.
import { Buffer } from 'node:buffer';
import { closeSync, constants, ftruncateSync } from 'node:fs';
import type { Int64 } from '../bytes/int64.js';
import { futimens, openat, posixLimits, seekData, type Timestamp, unlinkat } from '../filesystem/posix.js';
import { type FileStat, fstat, lstat } from '../filesystem/stat.js';
import { isFault } from './faults.js';

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const PRIVATE = 0o600;
const FOR_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
/** Bytes of the hole in a probe file. */
const HOLE = 1024 * 1024;

/** How a file system treats new files. */
export interface FileSystem {
  /** Owner and permission bits of a file made with mode 0600. */
  readonly uid: number;
  readonly mode: number;
  /** Whether a hole takes no space, and whether lseek finds it. */
  readonly keepsHoles: boolean;
  readonly showsHoles: boolean;
  /** Whether names that differ only in case are one name. */
  readonly ignoresCase: boolean;
}

const defaults = (): FileSystem => ({
  uid: process.geteuid?.() ?? 0,
  mode: PRIVATE,
  keepsHoles: true,
  showsHoles: true,
  ignoresCase: false,
});

/** Probes each file system below a target once, with a temporary file that it makes and removes. */
export class FileSystems {
  readonly #temporaryName: () => Buffer;
  readonly #dryRun: boolean;
  readonly #known = new Map<Int64, FileSystem>();

  /** @param dryRun whether no file may be made: then every file system gets the defaults */
  constructor(temporaryName: () => Buffer, dryRun: boolean) {
    this.#temporaryName = temporaryName;
    this.#dryRun = dryRun;
  }

  /** The file system of an open directory; the defaults when no file can be made or probed there. */
  of(directory: number): FileSystem {
    if (this.#dryRun) return defaults();
    const { device, mtimeSeconds, mtimeNanoseconds } = fstat(directory);
    const known = this.#known.get(device);
    if (known !== undefined) return known;
    try {
      const found = probe(directory, this.#temporaryName());
      this.#known.set(device, found);
      return found;
    } catch {
      return defaults();
    } finally {
      setTime(directory, { seconds: mtimeSeconds, nanoseconds: mtimeNanoseconds });
    }
  }

  /** Whether a file has the owner of a new private file, and is open to no more users than one. */
  isLikeNew(directory: number, { type, links, uid, mode }: FileStat): boolean {
    if (type !== 'file' || links !== 1) return false;
    const fresh = this.of(directory);
    return uid === fresh.uid && (mode & FOR_OTHERS & ~fresh.mode) === 0;
  }

  /**
   * Whether the file system does not keep owners or modes, so that a new file with the wanted mode would be writable by the same users as
   * this one.
   */
  isAsOpenAsNew(directory: number, { uid, mode }: FileStat, wantedMode: number): boolean {
    const fresh = this.of(directory);
    const keepsRights = fresh.uid === defaults().uid && fresh.mode === PRIVATE;
    return !keepsRights && uid === fresh.uid && (mode & ~(wantedMode | fresh.mode) & WRITABLE_BY_OTHERS) === 0;
  }
}

function probe(directory: number, name: Buffer): FileSystem {
  const file = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE);
  try {
    const { uid, mode } = fstat(file);
    const ignoresCase = exists(directory, Buffer.from(name.toString('latin1').toUpperCase(), 'latin1'));
    return { uid, mode, ...probeHoles(file), ignoresCase };
  } finally {
    closeSync(file);
    unlinkat(directory, name);
  }
}

function probeHoles(file: number): Pick<FileSystem, 'keepsHoles' | 'showsHoles'> {
  try {
    ftruncateSync(file, HOLE);
    // Without native system calls the program cannot find holes on any file system.
    const showsHoles = posixLimits() !== undefined || showsHole(file);
    return { showsHoles, keepsHoles: showsHoles || fstat(file).blocks * 512 < HOLE };
  } catch (cause) {
    if (isFault(cause)) throw cause;
    return { showsHoles: false, keepsHoles: false };
  }
}

function showsHole(file: number): boolean {
  try {
    return seekData(file, 0) === undefined;
  } catch {
    return false;
  }
}

function exists(directory: number, name: Buffer): boolean {
  try {
    lstat(name, directory);
    return true;
  } catch {
    return false;
  }
}

/** Restores the directory's modification time after a probe. */
function setTime(directory: number, mtime: Timestamp): void {
  try {
    futimens(directory, undefined, mtime);
  } catch {
    // The directory belongs to another user: it keeps the new time.
  }
}
