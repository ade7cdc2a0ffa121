// What Node's own lstat tells of a tree: another way to the numbers than the one that a backup goes.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { AT_FDCWD } from '../../src/filesystem/posix.js';
import { readXattrs } from '../../src/filesystem/xattrs.js';

const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);
/** Longer files are sparse, and only compared by their figures. */
const READ_BYTES = 1_000_000n;

export interface Image {
  /** By the path below the top as latin1. */
  readonly lines: ReadonlyMap<string, string>;
  /** Files that are longer than a repository can hold; their line has the length that is stored. */
  readonly tooLong: ReadonlySet<string>;
}

/** @param withAtime of a source access times would change while it is looked at */
export function imageOf(top: string): Image {
  const lines = new Map<string, string>();
  const tooLong = new Set<string>();
  const visit = (path: Buffer, below: Buffer): void => {
    const stat = lstatSync(path, { bigint: true });
    const key = below.toString('latin1');
    if (stat.isFile() && stat.size > LARGEST) tooLong.add(key);
    if (below.length > 0) lines.set(key, line(path, stat));
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(path, { encoding: 'buffer' }))
      visit(join(path, name), below.length === 0 ? Buffer.from(name) : join(below, name));
  };
  visit(Buffer.from(top), Buffer.alloc(0));
  return { lines, tooLong };
}

const join = (directory: Buffer, name: Buffer): Buffer => Buffer.concat([directory, Buffer.from('/'), name]);

function line(path: Buffer, stat: BigIntStats): string {
  const { mode, uid, gid, size, mtimeNs, rdev, nlink } = stat;
  const isFile = stat.isFile();
  const length = isFile ? (size > LARGEST ? LARGEST : size) : 0n;
  const xattrs = readXattrs({ directory: AT_FDCWD, name: path });
  const attributes = xattrs.map(({ name, value }) => `${name.toString('hex')}=${value.toString('hex')}`).join();
  const device = stat.isCharacterDevice() || stat.isBlockDevice() ? rdev : 0n;
  const links = stat.isDirectory() ? 1n : nlink;
  const target = stat.isSymbolicLink() ? readlinkSync(path, { encoding: 'buffer' }).toString('hex') : '';
  return [mode.toString(8), uid, gid, length, mtimeNs, device, links, target, contentOf(path, stat), attributes].join(
    ' ',
  );
}

function contentOf(path: Buffer, stat: BigIntStats): string {
  if (!stat.isFile() || stat.size > READ_BYTES) return '';
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
