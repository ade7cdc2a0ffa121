import type { Buffer } from 'node:buffer';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import type { OwnerNames } from '../filesystem/owners.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import type { ContentRef } from '../format/content.js';
import type { Entry, EntryStat } from '../format/entry.js';
import type { Storer } from './storer.js';

const { O_RDONLY, O_NOFOLLOW, O_NOATIME = 0, O_NONBLOCK } = constants as typeof constants & { O_NOATIME?: number };
const noAtime = O_NOATIME;

/** Opens a file for reading: never through a link, and without touching its access time where that is allowed. */
export function openForReading(path: Buffer): number {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openSync(path, flags | noAtime);
  } catch (cause) {
    if (noAtime === 0 || errnoCode(cause) !== 'EPERM') throw cause;
    return openSync(path, flags);
  }
}

/**
 * Reads a file from start to end into the repository.
 *
 * @returns the file's stat when it was opened, and its blobs
 */
export function storeFile(
  storer: Storer,
  path: Buffer,
  onRead: (bytes: number) => void,
): { stat: FileStat; content: ContentRef } {
  const file = openForReading(path);
  try {
    const stat = fstat(file);
    if (stat.type !== 'file') throw new VarveError('source', 'is no longer a regular file');
    const content = storeRange(storer, file, 0, Number.POSITIVE_INFINITY, stat.size, onRead);
    return { stat, content: storer.reference(content.size, content.ids) };
  } finally {
    closeSync(file);
  }
}

/**
 * Reads [offset, offset + length) of an open file, or what there is of it, as a stream of its own.
 *
 * @param expected bytes that are probably there
 */
export function storeRange(
  storer: Storer,
  file: number,
  offset: number,
  length: number,
  expected: number,
  onRead: (bytes: number) => void,
): ContentRef {
  const { data } = storer;
  data.begin();
  for (let done = 0; done < length; ) {
    storer.stopIfCancelled();
    const space = data.space(Math.max(1, Math.min(length, expected + 1) - done));
    const wanted = Math.min(space.length, length - done);
    const count = readSync(file, space, 0, wanted, offset + done);
    if (count === 0) break;
    data.commit(count);
    done += count;
    onRead(count);
    // A short read behind the known length is the end. Files of /proc have length 0 and are read until nothing comes.
    if (count < wanted && expected > 0 && done >= expected) break;
  }
  return data.end();
}

/** The entry of a file system object, with the owners' names as this machine knows them. */
export function makeEntry(
  name: Buffer,
  stat: EntryStat,
  owners: OwnerNames,
  rest: Partial<Pick<Entry, 'content' | 'target' | 'rdev' | 'atime' | 'btime' | 'xattrs' | 'holes'>>,
): Entry {
  return {
    name,
    type: stat.type,
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    user: owners.userName(stat.uid),
    group: owners.groupName(stat.gid),
    mtimeSeconds: stat.mtimeSeconds,
    mtimeNanoseconds: stat.mtimeNanoseconds,
    ctimeSeconds: stat.ctimeSeconds,
    ctimeNanoseconds: stat.ctimeNanoseconds,
    size: sizeOf(stat, rest),
    inode: stat.inode,
    device: stat.device,
    links: stat.links,
    content: rest.content,
    target: rest.target,
    rdev: rest.rdev,
    atime: rest.atime,
    btime: rest.btime,
    xattrs: rest.xattrs,
    holes: rest.holes,
  };
}

/** What was read counts, not what lstat said before: a file may grow, and links of /proc state no length. */
function sizeOf(stat: EntryStat, { content, target }: Partial<Pick<Entry, 'content' | 'target'>>): number {
  if (stat.type === 'directory') return 0;
  return content?.size ?? target?.length ?? stat.size;
}

/**
 * Why a path could not be read, for the report.
 *
 * @throws the cause, when it is not the path's: errors of the repository, and of this program
 */
export function readFailure(cause: unknown): string {
  if (cause instanceof VarveError && cause.code === 'source') return cause.message;
  if (cause instanceof Error && 'syscall' in cause && errnoCode(cause) !== undefined) return systemReason(cause);
  throw cause;
}
