// Attributes that the kernel gets for entries of snapshots and for directories of the view.
// Encoding them is left to ../protocol/replies.ts.

import type { Int64 } from '../../bytes/int64.js';
import type { EntryStat, EntryType } from '../../format/entry.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK } from '../protocol/abi.js';
import type { Attributes } from '../protocol/replies.js';
import type { InodeNumber } from './inode-numbers.js';

/** The owner to report instead of the one in the snapshot. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const TYPES: Record<EntryType, number> = {
  file: S_IFREG,
  directory: S_IFDIR,
  symlink: S_IFLNK,
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  character: S_IFCHR,
  block: S_IFBLK,
};

type Stored = EntryStat & Pick<EntryReader, 'atime' | 'btime' | 'rdev' | 'holes' | 'content'>;

/** The attributes of an entry. */
export function attributesOf(entry: Stored, inode: InodeNumber, owner: Owner | undefined): Attributes {
  const { type, size } = entry;
  const mtime: readonly [Int64, number] = [entry.mtimeSeconds, entry.mtimeNanoseconds];
  const stored = entry.holes === undefined ? size : (entry.content?.size ?? 0);
  return {
    inodeLow: inode.low,
    inodeHigh: inode.high,
    size,
    blocks: type === 'file' ? Math.ceil(stored / 512) : 0,
    atime: entry.atime ?? mtime,
    mtime,
    ctime: [entry.ctimeSeconds, entry.ctimeNanoseconds],
    btime: entry.btime,
    mode: TYPES[type] | entry.mode,
    links: Math.max(1, entry.links),
    uid: owner?.uid ?? entry.uid,
    gid: owner?.gid ?? entry.gid,
    device: type === 'character' || type === 'block' ? entry.rdev : undefined,
  };
}

/** The attributes of a directory or link of the view, or of a snapshot's root. */
export function plainAttributes(
  mode: number,
  size: number,
  time: readonly [number, number],
  inode: InodeNumber,
  owner: Owner,
): Attributes {
  return {
    inodeLow: inode.low,
    inodeHigh: inode.high,
    size,
    blocks: 0,
    atime: time,
    mtime: time,
    ctime: time,
    btime: undefined,
    mode,
    links: 1,
    uid: owner.uid,
    gid: owner.gid,
    device: undefined,
  };
}
