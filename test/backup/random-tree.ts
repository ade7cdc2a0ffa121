import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { AT_FDCWD, mknodat, utimensat } from '../../src/filesystem/posix.js';
import { makeDevice } from '../../src/filesystem/stat.js';
import { removeXattr, setXattr } from '../../src/filesystem/xattrs.js';
import type { Acl, Piece, Place, Step } from './random-steps.js';

/** The same bytes for the same seed and size; seeds share their beginnings, so that chunks repeat. */
function content(size: number, seed: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < size; at += 32)
    blocks.push(
      createHash('sha256')
        .update(`${at < 200_000 ? 0 : seed}/${at}`)
        .digest(),
    );
  return Buffer.concat([Buffer.from(`${seed}`), ...blocks]).subarray(0, size);
}

/** Does what can be done of the steps, below `root`. */
export function apply(root: string, steps: readonly Step[]): void {
  for (const each of steps) {
    try {
      perform(root, each);
    } catch {
      // Something else is in the way, or only root may do it: then this step is none.
    }
  }
}

/** @param orRoot whether a number may also stand for the root */
function pathOf(root: string, place: Place, orRoot = false): Buffer {
  if (typeof place === 'string') return Buffer.concat([Buffer.from(`${root}/`), bytes(place)]);
  const all = [...(orRoot ? [Buffer.from(root)] : []), ...pathsBelow(Buffer.from(root))];
  const any = all[place % all.length];
  if (any === undefined) throw new Error('there is nothing yet');
  return any;
}

function pathsBelow(directory: Buffer): Buffer[] {
  const names = readdirSync(directory, { encoding: 'buffer' }).sort(Buffer.compare);
  return names.flatMap((name) => {
    const path = Buffer.concat([directory, Buffer.from('/'), name]);
    return lstatSync(path).isDirectory() ? [path, ...pathsBelow(path)] : [path];
  });
}
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const DESCRIBING: readonly string[] = ['mode', 'owner', 'time', 'xattr', 'acl'];

function perform(root: string, each: Step): void {
  const at = pathOf(root, each.path, DESCRIBING.includes(each.do));
  switch (each.do) {
    case 'file':
    case 'sparse':
    case 'symlink':
    case 'special':
      mkdirSync(at.subarray(0, at.lastIndexOf('/')), { recursive: true });
      return make(at, each);
    case 'folder':
      mkdirSync(at, { recursive: true });
      return;
    case 'remove':
      return rmSync(at, { recursive: true });
    case 'link':
      return linkSync(at, pathOf(root, each.to));
    case 'rename':
      return renameSync(at, pathOf(root, each.to));
    case 'grow':
      if (lstatSync(at).isFile()) truncateSync(at, lstatSync(at).size + each.by);
      return;
    case 'disguise':
      return disguise(at, each.seed);
    default:
      return describe(at, each);
  }
}

function make(at: Buffer, each: Step & { do: 'file' | 'sparse' | 'symlink' | 'special' }): void {
  // Nothing is reached by two ways: links lead nowhere, and are not written through.
  if (each.do === 'symlink') return symlinkSync(bytes(`nowhere/${each.target}`), at);
  if (each.do === 'special') return mknodat(AT_FDCWD, at, each.type | 0o640, makeDevice(each.major, each.minor));
  const there = lstatSync(at, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile()) return;
  if (each.do === 'file') writeFileSync(at, content(each.size, each.seed));
  else writePieces(at, each.size, each.pieces);
}

function writePieces(at: Buffer, size: number, pieces: readonly Piece[]): void {
  const file = openSync(at, 'w');
  try {
    for (const { offset, length } of pieces) writeSync(file, content(length, offset), 0, length, offset);
    ftruncateSync(file, size);
  } finally {
    closeSync(file);
  }
}

/** Other content of the same size at the same time. */
function disguise(at: Buffer, seed: number): void {
  const stat = lstatSync(at, { bigint: true });
  if (!stat.isFile()) return;
  writeFileSync(at, content(Number(stat.size), seed + 1000));
  const seconds = stat.mtimeNs / 1_000_000_000n - (stat.mtimeNs % 1_000_000_000n < 0n ? 1n : 0n);
  setTime(at, Number(seconds), Number(stat.mtimeNs - seconds * 1_000_000_000n));
}

function describe(at: Buffer, each: Step & { do: 'mode' | 'owner' | 'time' | 'xattr' | 'acl' }): void {
  const place = { directory: AT_FDCWD, name: at };
  switch (each.do) {
    case 'mode':
      if (lstatSync(at).isSymbolicLink()) return;
      return chmodSync(at, lstatSync(at).isDirectory() ? each.mode | 0o700 : each.mode);
    case 'owner':
      return lchownSync(at, each.uid, each.gid);
    case 'time':
      return setTime(at, each.seconds, each.nanoseconds);
    case 'xattr':
      if (each.value === undefined) return removeXattr(place, bytes(each.name));
      return setXattr(place, { name: bytes(each.name), value: Buffer.from(each.value) });
    case 'acl':
      return setXattr(place, { name: bytes(`system.posix_acl_${each.kind}`), value: encodeAcl(each) });
  }
}

function setTime(at: Buffer, seconds: number, nanoseconds: number): void {
  utimensat(AT_FDCWD, at, { seconds, nanoseconds }, { seconds, nanoseconds });
}

/** As the kernel takes it: of owner, a user, the owning group, a group, the mask, others. */
function encodeAcl({ user, group, permissions }: Acl): Buffer {
  const nobody = 0xffff_ffff;
  const entries = [
    [1, 7, nobody],
    [2, permissions & 7, user],
    [4, 4, nobody],
    [8, (permissions >> 3) & 7, group],
    [16, 6, nobody],
    [32, 0, nobody],
  ] as const;
  const encoded = Buffer.alloc(4 + 8 * entries.length);
  encoded.writeUInt32LE(2);
  for (const [i, [tag, allowed, id]] of entries.entries()) {
    encoded.writeUInt16LE(tag, 4 + 8 * i);
    encoded.writeUInt16LE(allowed, 6 + 8 * i);
    encoded.writeUInt32LE(id, 8 + 8 * i);
  }
  return encoded;
}

export function empty(root: string): void {
  execFileSync('rm', ['-rf', root]);
  mkdirSync(root);
}
