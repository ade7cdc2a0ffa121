import type { Buffer } from 'node:buffer';
import { closeSync, readSync } from 'node:fs';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import type { Directory } from '../filesystem/directory.js';
import { cachedPages, dropFromPageCache } from '../filesystem/posix.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import type { ContentRef } from '../format/content.js';
import type { Layout } from '../format/layout.js';
import { layoutOf } from './holes.js';
import type { ReadAttributes } from './messages.js';
import { storableSize } from './storable-size.js';
import type { Storer } from './storer.js';

/** Bytes of a file, or a part of one, from which on it is taken care that reading it does not push other files out of memory. */
const NOT_CACHED_BYTES = 64 * 1024;
/** The same where the kernel does not tell what it had in memory before. */
const UNKNOWN_CACHED_BYTES = 1024 * 1024;
const PAGE = 4096;
/** Bytes up to which a file that changes while it is read is read once more. */
const READ_AGAIN_BYTES = 64 * 1024 * 1024;

/** What was read of a file. */
export interface StoredFile {
  /** Of the moment before it was read: if it changes meanwhile, the next backup sees that it is another. */
  readonly stat: FileStat;
  readonly content: ContentRef;
  readonly layout: Layout | undefined;
  readonly xattrs: ReadAttributes;
  /** Whether it was not the same from beginning to end. */
  readonly torn: boolean;
}

/**
 * Reads a file from start to end into the repository; once more, if it changes while it is read.
 *
 * @param attributesOf reads those of an open file
 * @param onRead is told how many bytes were read, or (negative) are not to be counted
 */
export function storeFile(
  storer: Storer,
  directory: Directory,
  name: Buffer,
  attributesOf: (file: number) => ReadAttributes,
  onRead: (bytes: number) => void,
): StoredFile {
  const file = directory.openFile(name);
  try {
    const stored = storeOpened(storer, file, attributesOf, onRead);
    if (!stored.torn || stored.content.size > READ_AGAIN_BYTES) return stored;
    onRead(-stored.content.size);
    return storeOpened(storer, file, attributesOf, onRead);
  } finally {
    closeSync(file);
  }
}

function storeOpened(
  storer: Storer,
  file: number,
  attributesOf: (file: number) => ReadAttributes,
  onRead: (bytes: number) => void,
): StoredFile {
  const stat = storableSize(fstat(file));
  if (stat.type !== 'file') throw new VarveError('source', 'is no longer a regular file');
  const layout = layoutOf(file, stat);
  const { data } = storer;
  data.begin();
  let reads = 0;
  const count = (bytes: number): void => {
    reads++;
    onRead(bytes);
  };
  const stored =
    layout === undefined
      ? withoutCaching(file, 0, stat.size, () => readRange(storer, file, 0, Number.POSITIVE_INFINITY, stat.size, count))
      : readPieces(storer, file, layout, 0, layout.stored, count);
  const read = data.end();
  const expected = layout?.stored ?? stat.size;
  // One call reads a file as it is at one moment; where its holes are, others have told.
  const torn =
    layout !== undefined || stored !== expected || reads > 1 ? wasTouched(stat, storableSize(fstat(file))) : false;
  return {
    stat,
    content: storer.reference(read.size, read.ids),
    layout: stored < expected ? layout?.truncated(stored) : layout,
    xattrs: attributesOf(file),
    torn,
  };
}

/** Whether a file was written to, or otherwise changed, between two looks at it. */
export function wasTouched(before: FileStat, after: FileStat): boolean {
  return (
    before.size !== after.size ||
    before.mtimeSeconds !== after.mtimeSeconds ||
    before.mtimeNanoseconds !== after.mtimeNanoseconds ||
    before.inode !== after.inode ||
    before.device !== after.device
  );
}

/**
 * Reads a part of an open file's data as a stream of its own.
 *
 * @param offset of the data, and `length` of it; without a layout both count in the file, which is read on if it is longer than `expected`
 * @param stored bytes of the file's data, as far as is known
 * @param layout of a file with holes
 */
export function storeSegment(
  storer: Storer,
  file: number,
  { offset, length, stored, layout }: { offset: number; length: number; stored: number; layout: Layout | undefined },
  onRead: (bytes: number) => void,
): ContentRef {
  const expected = Math.min(length, stored - offset);
  storer.data.begin();
  if (layout === undefined)
    withoutCaching(file, offset, expected, () => readRange(storer, file, offset, length, expected, onRead));
  else readPieces(storer, file, layout, offset, expected, onRead);
  return storer.data.end();
}

/** Reads data that lies between holes. @returns how many bytes; fewer than asked for when the file has become shorter */
function readPieces(
  storer: Storer,
  file: number,
  layout: Layout,
  offset: number,
  length: number,
  onRead: (bytes: number) => void,
): number {
  let done = 0;
  for (const piece of layout.pieces(offset, length)) {
    const { file: start, length: bytes } = piece;
    const count = withoutCaching(file, start, bytes, () => readRange(storer, file, start, bytes, bytes, onRead));
    done += count;
    if (count < piece.length) break;
  }
  return done;
}

/**
 * Reads [offset, offset + length) of an open file, or what there is of it.
 *
 * @param expected bytes that are probably there
 */
function readRange(
  storer: Storer,
  file: number,
  offset: number,
  length: number,
  expected: number,
  onRead: (bytes: number) => void,
): number {
  const { data } = storer;
  let done = 0;
  while (done < length) {
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
  return done;
}

/** Reads, and lets the kernel forget what was not in memory before: others need the room more than a file that a backup read once. */
function withoutCaching<Result>(file: number, offset: number, length: number, read: () => Result): Result {
  if (length < NOT_CACHED_BYTES) return read();
  const cached = cachedPages(file, offset, length);
  const result = read();
  const wasAway = cached === undefined ? length >= UNKNOWN_CACHED_BYTES : cached * PAGE * 20 < length;
  if (wasAway) dropFromPageCache(file, offset, length);
  return result;
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
