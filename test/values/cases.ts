// Random files whose names, attributes and numbers go over all that the kernel has, and how one is made.

import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import fc from 'fast-check';
import type { Int64 } from '../../src/bytes/int64.js';
import { AT_FDCWD, mknodat, utimensat } from '../../src/filesystem/posix.js';
import { makeDevice } from '../../src/filesystem/stat.js';
import { setXattr } from '../../src/filesystem/xattrs.js';
import type { Xattr } from '../../src/format/xattrs.js';
import { bytes, i64 } from '../format/arbitraries.js';

type Time = readonly [seconds: Int64, nanoseconds: number];

export interface Case {
  readonly type: 'file' | 'sparse' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block' | 'link';
  readonly name: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Time;
  readonly atime: Time;
  readonly content: Buffer;
  readonly target: Buffer;
  /** Of a sparse file. */
  readonly size: bigint;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly Xattr[];
}

/** chown takes 2^32 − 1 for "as it is". */
const owner = fc.oneof(
  fc.constantFrom(0, 65_534, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2),
  fc.nat(2000),
  fc.integer({ min: 0, max: 2 ** 32 - 2 }),
);
const nanoseconds = fc.oneof(fc.constantFrom(0, 1, 999_999_999), fc.nat(999_999_999));
const soon = fc.integer({ min: -(2 ** 31), max: 2 ** 33 });
const time: fc.Arbitrary<Time> = fc.tuple(fc.oneof(i64, soon), nanoseconds);
/** Without NUL and slash. */
const text = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc
    .array(fc.oneof(fc.integer({ min: 0x30, max: 0x7a }), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength,
    })
    .map((codes) => Buffer.from(codes.map((code) => (code === 0x2f ? 0x2e : code))));
const name = fc
  .oneof({ weight: 4, arbitrary: text(12) }, text(255))
  .filter((each) => each.length > 2 || each.some((byte) => byte !== 0x2e));
const xattr: fc.Arbitrary<Xattr> = fc
  .tuple(
    text(40),
    fc.oneof({ weight: 5, arbitrary: bytes({ maxLength: 60 }) }, bytes({ minLength: 1000, maxLength: 3000 })),
  )
  .map(([ending, value]) => ({ name: Buffer.concat([Buffer.from('user.'), ending]), value }));
const size = fc.oneof(
  fc.constantFrom(
    2n ** 53n - 2n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    2n ** 63n - 1n,
    2n ** 32n,
    2n ** 44n - 4096n,
  ),
  fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 1n, max: 2n ** 42n }),
);

export const anyCase: fc.Arbitrary<Case> = fc.record(
  {
    type: fc.constantFrom<Case['type']>(
      ...(['file', 'file', 'file', 'file', 'sparse', 'sparse', 'directory', 'symlink'] as const),
      ...(['fifo', 'socket', 'character', 'block', 'link'] as const),
    ),
    name,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: owner,
    gid: owner,
    mtime: time,
    atime: time,
    content: bytes({ maxLength: 100 }),
    target: text(100),
    size,
    major: fc.oneof(fc.constantFrom(0, 0xfff), fc.nat(0xfff)),
    minor: fc.oneof(fc.constantFrom(0, 0xff, 0x100, 0xfffff), fc.nat(0xfffff)),
    xattrs: fc.oneof(fc.constant([]), fc.array(xattr, { maxLength: 4 })),
  },
  { noNullPrototype: true },
);

const KINDS = {
  fifo: constants.S_IFIFO,
  socket: constants.S_IFSOCK,
  character: constants.S_IFCHR,
  block: constants.S_IFBLK,
} as const;

/** Makes the file. What the file system does not take stays as it gives it. @param first what a hard link links to */
export function make(path: Buffer, each: Case, first: Buffer | undefined): void {
  if (each.type === 'link') {
    if (first !== undefined) linkSync(first, path);
    return;
  }
  if (each.type === 'directory') mkdirSync(path);
  else if (each.type === 'symlink') symlinkSync(each.target, path);
  else if (each.type === 'file' || each.type === 'sparse') makeFile(path, each);
  else mknodat(AT_FDCWD, path, KINDS[each.type] | 0o600, makeDevice(each.major, each.minor));
  decorate(path, each);
}

function makeFile(path: Buffer, { type, size: length, content }: Case): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    if (type === 'file') writeSync(file, content);
    else if (lengthen(path, file, length) && content.length > 0) {
      // Where Node can still write, and the file system has blocks.
      const room = length - BigInt(content.length);
      const at = room > 2n ** 40n ? Number(room % 2n ** 40n) : Number(room > 0n ? room : 0n);
      writeSync(file, content.subarray(0, Number(length)), 0, undefined, at);
    }
  } finally {
    closeSync(file);
  }
}

/** Node takes no length beyond 2^53. @returns false where the file system has no files of that length */
function lengthen(path: Buffer, file: number, length: bigint): boolean {
  if (length <= BigInt(Number.MAX_SAFE_INTEGER)) return attempt(() => ftruncateSync(file, Number(length)));
  const script = 'import os, sys; os.truncate(bytes.fromhex(sys.argv[1]), int(sys.argv[2]))';
  return spawnSync('python3', ['-c', script, path.toString('hex'), String(length)]).status === 0;
}

/** Owner, attributes, mode, times. Those of a directory are to be set again once it is filled. */
export function decorate(path: Buffer, { type, uid, gid, mode, xattrs, atime, mtime }: Case): void {
  attempt(() => (type === 'symlink' ? lchownSync : chownSync)(path, uid, gid));
  if (type === 'file' || type === 'sparse' || type === 'directory')
    for (const xattr of xattrs) attempt(() => setXattr({ directory: AT_FDCWD, name: path }, xattr));
  if (type !== 'symlink') attempt(() => chmodSync(path, mode));
  const [a, m] = [atime, mtime].map(([seconds, ns]) => ({ seconds, nanoseconds: ns }));
  attempt(() => utimensat(AT_FDCWD, path, a, m));
}

function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
