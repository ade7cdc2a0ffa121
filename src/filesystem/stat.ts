import { Buffer } from 'node:buffer';
import { type BigIntStats, fstatSync, lstatSync } from 'node:fs';
import { CString, libc, systemError } from './libc.js';
import { AT_FDCWD, pathAt } from './posix.js';

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block';

/** What lstat tells, with exact times. */
export interface FileStat {
  readonly type: FileType;
  /** Permission bits, set-id and sticky bits: 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: number;
  readonly ctimeNanoseconds: number;
  readonly atime: readonly [seconds: number, nanoseconds: number];
  /** When it was made, where the file system tells. */
  readonly btime: readonly [seconds: number, nanoseconds: number] | undefined;
  /** A bigint only where a number would not be exact. */
  readonly inode: number | bigint;
  readonly device: number;
  readonly links: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Of 512 bytes. */
  readonly blocks: number;
}

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const ENOSYS = 38;
const EPERM = 1;
const NANOSECONDS = 1_000_000_000n;
const TYPES: Partial<Record<number, FileType>> = {
  1: 'fifo',
  2: 'character',
  4: 'directory',
  6: 'block',
  8: 'file',
  10: 'symlink',
  12: 'socket',
};

const text = new CString();
const NO_NAME = Buffer.alloc(0);
const area = new ArrayBuffer(256);
const bytes = Buffer.from(area);
const u16 = new Uint16Array(area);
const u32 = new Uint32Array(area);
const i32 = new Int32Array(area);
let statxWorks = true;

/** lstat of a path, or of a name in the directory that has been opened as `directory`. */
export function lstat(path: Buffer, directory = AT_FDCWD): FileStat {
  return statx(directory, path, AT_SYMLINK_NOFOLLOW) ?? fromStats(lstatSync(pathAt(directory, path), { bigint: true }));
}

/** The same of an open file. */
export function fstat(file: number): FileStat {
  return statx(file, NO_NAME, AT_EMPTY_PATH) ?? fromStats(fstatSync(file, { bigint: true }));
}

/** Undefined where there is no statx: without koffi, on an old kernel, or in a sandbox that forbids it. */
function statx(directory: number, path: Buffer, flags: number): FileStat | undefined {
  const c = statxWorks ? libc() : undefined;
  if (c === undefined) return undefined;
  if (c.statx(directory, text.of(path, 'lstat'), flags, STATX_BASIC_STATS | STATX_BTIME, bytes) === 0)
    return fromStatx();
  const errno = c.errno();
  if (errno !== ENOSYS && errno !== EPERM) throw systemError(errno, path === NO_NAME ? 'fstat' : 'lstat', path);
  if (errno === ENOSYS) statxWorks = false;
  return undefined;
}

/** Reads Linux' struct statx, which is the same on every architecture but for the order of bytes. */
function fromStatx(): FileStat {
  const mode = u16[14] as number;
  return {
    type: TYPES[mode >> 12] ?? 'file',
    mode: mode & 0o7777,
    uid: u32[5] as number,
    gid: u32[6] as number,
    size: unsigned(10),
    mtimeSeconds: signed(28),
    mtimeNanoseconds: u32[30] as number,
    ctimeSeconds: signed(24),
    ctimeNanoseconds: u32[26] as number,
    atime: [signed(16), u32[18] as number],
    btime: ((u32[0] as number) & STATX_BTIME) === 0 ? undefined : [signed(20), u32[22] as number],
    inode: (u32[9] as number) < 0x20_0000 ? unsigned(8) : (BigInt(u32[9] as number) << 32n) | BigInt(u32[8] as number),
    device: makeDevice(u32[34] as number, u32[35] as number),
    links: u32[4] as number,
    rdevMajor: u32[32] as number,
    rdevMinor: u32[33] as number,
    blocks: unsigned(12),
  };
}

function unsigned(at: number): number {
  return (u32[at + 1] as number) * 0x1_0000_0000 + (u32[at] as number);
}

function signed(at: number): number {
  return (i32[at + 1] as number) * 0x1_0000_0000 + (u32[at] as number);
}

/** A device number as Linux' libc composes it. */
export function makeDevice(major: number, minor: number): number {
  const low = (((major & 0xfff) << 8) | (minor & 0xff)) >>> 0;
  const middle = (minor & 0xfff00) * 0x1000;
  return low + middle + (minor >>> 20) * 0x1_0000_0000 + (major >>> 12) * 0x1000_0000_0000;
}

function fromStats(stats: BigIntStats): FileStat {
  const mtime = splitTime(stats.mtimeNs);
  const ctime = splitTime(stats.ctimeNs);
  const atime = splitTime(stats.atimeNs);
  const btime = splitTime(stats.birthtimeNs);
  const mode = Number(stats.mode);
  return {
    type: TYPES[mode >> 12] ?? 'file',
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtimeSeconds: mtime.seconds,
    mtimeNanoseconds: mtime.nanoseconds,
    ctimeSeconds: ctime.seconds,
    ctimeNanoseconds: ctime.nanoseconds,
    atime: [atime.seconds, atime.nanoseconds],
    btime: [btime.seconds, btime.nanoseconds],
    inode: stats.ino > Number.MAX_SAFE_INTEGER ? stats.ino : Number(stats.ino),
    device: Number(stats.dev),
    links: Number(stats.nlink),
    rdevMajor: Number(((stats.rdev >> 8n) & 0xfffn) | ((stats.rdev >> 32n) & 0xffff_f000n)),
    rdevMinor: Number((stats.rdev & 0xffn) | ((stats.rdev >> 12n) & 0xffff_ff00n)),
    blocks: Number(stats.blocks),
  };
}

function splitTime(time: bigint): { seconds: number; nanoseconds: number } {
  const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  return { seconds: Number((time - nanoseconds) / NANOSECONDS), nanoseconds: Number(nanoseconds) };
}
