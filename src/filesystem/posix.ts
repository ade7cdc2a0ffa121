// Calls of libc relative to open directories, which Node lacks.
// libc.ts loads them; callers keep the descriptors.
import { Buffer } from 'node:buffer';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { platform } from 'node:os';
import type { Int64 } from '../bytes/int64.js';
import { CString, type Libc, libc, libcFailure, systemError } from './libc.js';

/** Stands for the working directory (and for nothing, with an absolute path) where a directory is asked for. */
export const AT_FDCWD = -100;

/** Nanoseconds count forward also before 1970: half a second before it is -1 s and 500,000,000 ns. */
export interface Timestamp {
  readonly seconds: Int64;
  readonly nanoseconds: number;
}

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const UTIME_OMIT = 0x3fff_fffe;
const POSIX_FADV_DONTNEED = 4;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const O_CLOEXEC = 0o2000000;
const EINTR = 4;
const ENOSYS = 38;
const ENXIO = 6;
const CACHESTAT = 451;

const first = new CString();
const second = new CString();
const linkTarget = Buffer.alloc(4096);
const times = Buffer.alloc(32);
const timesView = new DataView(times.buffer, times.byteOffset, times.byteLength);

/** What cannot be restored on this machine because libc is out of reach; undefined when nothing. */
export function posixLimits(): string | undefined {
  const failure = libcFailure();
  if (failure === undefined) return undefined;
  return `system calls through koffi are not available (${failure}): times are restored to the microsecond, FIFOs and devices not at all`;
}

/** The path of a name in an open directory, for the calls of `fs`; on Linux through /proc/self/fd. */
export function pathAt(directory: number, name: Buffer): Buffer {
  if (directory === AT_FDCWD || name[0] === 0x2f) return name;
  if (platform() !== 'linux') throw systemError(ENOSYS, 'openat', name);
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** Opens a name in an open directory; flags are `O_*` of `fs.constants`. O_CLOEXEC is added. */
export function openat(directory: number, name: Buffer, flags: number, mode = 0): number {
  const c = libc();
  if (c === undefined) return openSync(pathAt(directory, name), flags, mode);
  for (;;) {
    const file = c.openat(directory, first.of(name, 'openat'), flags | O_CLOEXEC, mode);
    if (file >= 0) return file;
    const errno = c.errno();
    if (errno !== EINTR) throw systemError(errno, 'openat', name);
  }
}

/** Opens a directory in an open directory, and never through a link: ELOOP or ENOTDIR then. */
export function openDirectoryAt(directory: number, name: Buffer): number {
  return openat(directory, name, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

export function mkdirat(directory: number, name: Buffer, mode: number): void {
  const c = libc();
  if (c === undefined) mkdirSync(pathAt(directory, name), { mode });
  else check(c, c.mkdirat(directory, first.of(name, 'mkdirat'), mode), 'mkdirat', name);
}

/** Makes a FIFO, a socket or a device: the mode has the S_IF bits, `device` is of `makeDevice`. */
export function mknodat(directory: number, name: Buffer, mode: number, device: Int64 = 0): void {
  const c = libc();
  if (c === undefined) throw systemError(ENOSYS, 'mknodat', name);
  check(c, c.mknodat(directory, first.of(name, 'mknodat'), mode, device), 'mknodat', name);
}

export function unlinkat(directory: number, name: Buffer): void {
  const c = libc();
  if (c === undefined) unlinkSync(pathAt(directory, name));
  else check(c, c.unlinkat(directory, first.of(name, 'unlinkat'), 0), 'unlinkat', name);
}

/** Removes an empty directory. */
export function rmdirat(directory: number, name: Buffer): void {
  const c = libc();
  if (c === undefined) rmdirSync(pathAt(directory, name));
  else check(c, c.unlinkat(directory, first.of(name, 'rmdir'), AT_REMOVEDIR), 'rmdir', name);
}

export function renameat(fromDirectory: number, from: Buffer, toDirectory: number, to: Buffer): void {
  const c = libc();
  if (c === undefined) renameSync(pathAt(fromDirectory, from), pathAt(toDirectory, to));
  else {
    const result = c.renameat(fromDirectory, first.of(from, 'renameat'), toDirectory, second.of(to, 'renameat'));
    check(c, result, 'renameat', from);
  }
}

export function symlinkat(target: Buffer, directory: number, name: Buffer): void {
  const c = libc();
  if (c === undefined) symlinkSync(target, pathAt(directory, name));
  else check(c, c.symlinkat(first.of(target, 'symlinkat'), directory, second.of(name, 'symlinkat')), 'symlinkat', name);
}

/** Gives an existing file (or link, which is not followed) a further name. */
export function linkat(fromDirectory: number, from: Buffer, toDirectory: number, to: Buffer): void {
  const c = libc();
  if (c === undefined) linkSync(pathAt(fromDirectory, from), pathAt(toDirectory, to));
  else
    check(c, c.linkat(fromDirectory, first.of(from, 'linkat'), toDirectory, second.of(to, 'linkat'), 0), 'linkat', to);
}

export function readlinkat(directory: number, name: Buffer): Buffer {
  const c = libc();
  if (c === undefined) return readlinkSync(pathAt(directory, name), { encoding: 'buffer' });
  const length = c.readlinkat(directory, first.of(name, 'readlinkat'), linkTarget, linkTarget.length);
  check(c, length, 'readlinkat', name);
  return Buffer.from(linkTarget.subarray(0, length));
}

/** Of a link itself, when it is one. -1 leaves the user or the group as it is. */
export function fchownat(directory: number, name: Buffer, uid: number, gid: number): void {
  const c = libc();
  if (c === undefined) {
    lchownSync(pathAt(directory, name), uid, gid);
    return;
  }
  const result = c.fchownat(directory, first.of(name, 'fchownat'), uid >>> 0, gid >>> 0, AT_SYMLINK_NOFOLLOW);
  check(c, result, 'fchownat', name);
}

/** Never through a link: EOPNOTSUPP (or ELOOP) then. */
export function fchmodat(directory: number, name: Buffer, mode: number): void {
  const c = libc();
  if (c === undefined) chmodWithoutLinks(pathAt(directory, name), mode);
  else check(c, c.fchmodat(directory, first.of(name, 'fchmodat'), mode, AT_SYMLINK_NOFOLLOW), 'fchmodat', name);
}

/** Sets the times of what the name stands for, a link's own included; an undefined time is left as it is. */
export function utimensat(
  directory: number,
  name: Buffer,
  atime: Timestamp | undefined,
  mtime: Timestamp | undefined,
  options: { follow?: boolean } = {},
): void {
  const c = libc();
  const follow = options.follow ?? false;
  if (c === undefined) {
    setTimes(follow ? utimesSync : lutimesSync, pathAt(directory, name), atime, mtime);
    return;
  }
  const flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  check(c, c.utimensat(directory, first.of(name, 'utimensat'), timespecs(atime, mtime), flags), 'utimensat', name);
}

/** The same of an open file. */
export function futimens(file: number, atime: Timestamp | undefined, mtime: Timestamp | undefined): void {
  const c = libc();
  if (c === undefined) setTimes(futimesSync, file, atime, mtime);
  else check(c, c.futimens(file, timespecs(atime, mtime)), 'futimens');
}

/** Lets the kernel forget what it holds of a file's bytes; length 0 means to the end. A hint: it never fails. */
export function dropFromPageCache(file: number, offset = 0, length = 0): void {
  libc()?.posix_fadvise(file, offset, length, POSIX_FADV_DONTNEED);
}

/**
 * How many pages of a part of a file the page cache holds.
 *
 * @param length 0 for all to the end
 * @returns undefined where the kernel does not tell (before Linux 6.5)
 */
export function cachedPages(file: number, offset = 0, length = 0): number | undefined {
  const c = cachestatWorks ? libc() : undefined;
  if (c === undefined) return undefined;
  cacheRange.writeBigUInt64LE(BigInt(offset), 0);
  cacheRange.writeBigUInt64LE(BigInt(length), 8);
  if (c.syscall(CACHESTAT, file, cacheRange, cacheStatistics, 0) === 0) return cacheStatistics.readUInt32LE(0);
  cachestatWorks = false;
  return undefined;
}

let cachestatWorks = true;
/** struct cachestat_range: offset and length. */
const cacheRange = Buffer.alloc(16);
/** struct cachestat: nr_cache comes first. */
const cacheStatistics = Buffer.alloc(40);

/**
 * Where the next data at or after `offset` begins; undefined when there is only a hole until the end. The file's own position moves.
 *
 * @throws EINVAL where the file system does not know holes
 */
export function seekData(file: number, offset: number): number | undefined {
  const c = libc();
  if (c === undefined) return offset;
  const position = c.lseek(file, offset, SEEK_DATA);
  // Beyond 2^53 it is a bigint.
  if (position >= 0) return Number(position);
  const errno = c.errno();
  if (errno === ENXIO) return undefined;
  throw systemError(errno, 'lseek');
}

/** Where the next hole at or after `offset` begins, at the latest at the end of the file; Infinity where that cannot be known. */
export function seekHole(file: number, offset: number): number {
  const c = libc();
  if (c === undefined) return Number.POSITIVE_INFINITY;
  const position = c.lseek(file, offset, SEEK_HOLE);
  check(c, position, 'lseek');
  return Number(position);
}

/**
 * Copies bytes from one open file to the same place in another, within the kernel, sharing blocks where the file system can.
 *
 * @throws ENOSYS, EXDEV or EOPNOTSUPP where the kernel cannot: then they are to be read and written
 */
export function copyRange(from: number, to: number, offset: number, length: number): void {
  const c = libc();
  if (c === undefined) throw systemError(ENOSYS, 'copy_file_range');
  const [source, target] = [Buffer.alloc(8), Buffer.alloc(8)];
  for (let done = 0; done < length; ) {
    source.writeBigInt64LE(BigInt(offset + done));
    target.writeBigInt64LE(BigInt(offset + done));
    const copied = c.copy_file_range(from, source, to, target, Math.min(length - done, 1 << 30), 0);
    check(c, copied, 'copy_file_range');
    if (copied === 0) throw systemError(ENXIO, 'copy_file_range');
    done += copied;
  }
}

function check(c: Libc, result: number, syscall: string, path?: Buffer): void {
  if (result < 0) throw systemError(c.errno(), syscall, path);
}

function timespecs(atime: Timestamp | undefined, mtime: Timestamp | undefined): Buffer {
  writeTimespec(0, atime);
  writeTimespec(16, mtime);
  return times;
}

function writeTimespec(at: number, time: Timestamp | undefined): void {
  timesView.setBigInt64(at, BigInt(time?.seconds ?? 0), true);
  timesView.setUint32(at + 8, time?.nanoseconds ?? UTIME_OMIT, true);
}

function chmodWithoutLinks(path: Buffer, mode: number): void {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    fchmodSync(file, mode);
  } finally {
    closeSync(file);
  }
}

/** As text, because `fs` takes a negative number for the present. */
function setTimes<T extends number | Buffer>(
  set: (target: T, atime: string, mtime: string) => void,
  target: T,
  atime: Timestamp | undefined,
  mtime: Timestamp | undefined,
): void {
  const now = typeof target === 'number' ? fstatSync(target) : lstatSync(target);
  const inSeconds = (time: Timestamp | undefined, unchanged: number) =>
    String(time === undefined ? unchanged / 1000 : Number(time.seconds) + time.nanoseconds / 1e9);
  set(target, inSeconds(atime, now.atimeMs), inSeconds(mtime, now.mtimeMs));
}
