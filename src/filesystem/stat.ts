// lstat and fstat with exact times and 64-bit numbers.
// format/entry.ts defines which fields are stored.
import { Buffer } from 'node:buffer';
import { type BigIntStats, fstatSync, lstatSync } from 'node:fs';
import { type Int64, int64, int64Of } from '../bytes/int64.js';
import { CString, libc, systemError } from './libc.js';
import { AT_FDCWD, pathAt } from './posix.js';

type StatTime = readonly [seconds: Int64, nanoseconds: number];

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block';

/** The result of lstat, with exact times. */
export interface FileStat {
  readonly type: FileType;
  /** Permission bits, set-id and sticky bits: 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes: exact up to 2^53 − 1, and more than that where it is more. */
  readonly size: number;
  readonly mtimeSeconds: Int64;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: Int64;
  readonly ctimeNanoseconds: number;
  readonly atime: StatTime;
  /** When it was made, if the file system records it. */
  readonly btime: StatTime | undefined;
  readonly inode: Int64;
  readonly device: Int64;
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
/** In a second. */
const NANOSECONDS = 1_000_000_000;
/** The latest time that 64 bits of seconds can express. */
const LATEST = 2n ** 63n * 1_000_000_000n - 1n;
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
  const [atime, btime, ctime, mtime] = [timeAt(16), timeAt(20), timeAt(24), timeAt(28)];
  return {
    type: TYPES[mode >> 12] ?? 'file',
    mode: mode & 0o7777,
    uid: u32[5] as number,
    gid: u32[6] as number,
    size: Number(unsigned(10)),
    mtimeSeconds: mtime[0],
    mtimeNanoseconds: mtime[1],
    ctimeSeconds: ctime[0],
    ctimeNanoseconds: ctime[1],
    atime,
    btime: ((u32[0] as number) & STATX_BTIME) === 0 ? undefined : btime,
    inode: unsigned(8),
    device: makeDevice(u32[34] as number, u32[35] as number),
    links: u32[4] as number,
    rdevMajor: u32[32] as number,
    rdevMinor: u32[33] as number,
    blocks: Number(unsigned(12)),
  };
}

function unsigned(at: number): Int64 {
  return int64Of(u32[at + 1] as number, u32[at] as number);
}

/** A struct statx_timestamp. */
function timeAt(at: number): StatTime {
  return normalTime(int64Of(i32[at + 1] as number, u32[at] as number), u32[at + 2] as number);
}

/** Some network file systems report more nanoseconds than a second has: carries them over to the seconds. */
function normalTime(seconds: Int64, nanoseconds: number): StatTime {
  if (nanoseconds < NANOSECONDS) return [seconds, nanoseconds];
  const exact = BigInt(seconds) * BigInt(NANOSECONDS) + BigInt(nanoseconds);
  return exact > LATEST ? splitTime(LATEST) : splitTime(exact);
}

/** A device number as Linux' libc composes it. */
export function makeDevice(major: number, minor: number): Int64 {
  const low = ((minor & 0xfff00) << 12) | ((major & 0xfff) << 8) | (minor & 0xff);
  return int64Of(((major & 0xffff_f000) | (minor >>> 20)) >>> 0, low >>> 0);
}

/** Node returns these unsigned numbers as signed ones. */
const unsignedOf = (value: bigint): bigint => BigInt.asUintN(64, value);

function fromStats(stats: BigIntStats): FileStat {
  const [mtimeSeconds, mtimeNanoseconds] = splitTime(stats.mtimeNs);
  const [ctimeSeconds, ctimeNanoseconds] = splitTime(stats.ctimeNs);
  const mode = Number(stats.mode);
  const rdev = unsignedOf(stats.rdev);
  return {
    type: TYPES[mode >> 12] ?? 'file',
    mode: mode & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    mtimeSeconds,
    mtimeNanoseconds,
    ctimeSeconds,
    ctimeNanoseconds,
    atime: splitTime(stats.atimeNs),
    btime: splitTime(stats.birthtimeNs),
    inode: int64(unsignedOf(stats.ino)),
    device: int64(unsignedOf(stats.dev)),
    links: Number(unsignedOf(stats.nlink)),
    rdevMajor: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
    rdevMinor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
    blocks: Number(stats.blocks),
  };
}

function splitTime(time: bigint): StatTime {
  const second = BigInt(NANOSECONDS);
  const nanoseconds = ((time % second) + second) % second;
  return [int64((time - nanoseconds) / second), Number(nanoseconds)];
}
