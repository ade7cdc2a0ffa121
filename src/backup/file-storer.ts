// Reads files into the repository: whole, by segment, and around holes. Reads a file again when it changes while it is read.
// Entries are encoded in entry-storer.ts.
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

/** A range of at least so many bytes is dropped from the page cache after reading, so that the backup does not evict other files. */
const NOT_CACHED_BYTES = 64 * 1024;
/** The same where the kernel does not say which pages were cached before. */
const UNKNOWN_CACHED_BYTES = 1024 * 1024;
const PAGE = 4096;
/** A file of at most so many bytes is read again when it changes while it is read. */
const READ_AGAIN_BYTES = 64 * 1024 * 1024;

/** A file as it was read and stored. */
export interface StoredFile {
  /** Taken before reading: if the file changes during the read, the next backup sees a difference. */
  readonly stat: FileStat;
  readonly content: ContentRef;
  readonly layout: Layout | undefined;
  readonly xattrs: ReadAttributes;
  /** Whether the file changed while it was read. */
  readonly torn: boolean;
}

/**
 * Stores a file; reads it a second time if it changes while it is read.
 *
 * @param readAttributes reads the attributes of an open file
 * @param onRead called with the number of bytes read; negative to take back what a first reading counted
 */
export function storeFile(
  storer: Storer,
  directory: Directory,
  name: Buffer,
  readAttributes: (file: number) => ReadAttributes,
  onRead: (bytes: number) => void,
): StoredFile {
  const file = directory.openFile(name);
  try {
    const stored = storeOpened(storer, file, readAttributes, onRead);
    if (!stored.torn || stored.content.size > READ_AGAIN_BYTES) return stored;
    onRead(-stored.content.size);
    return storeOpened(storer, file, readAttributes, onRead);
  } finally {
    closeSync(file);
  }
}

function storeOpened(
  storer: Storer,
  file: number,
  readAttributes: (file: number) => ReadAttributes,
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
  // A single read() sees one state of the file. A layout was found by calls before it, and may be out of date.
  const torn =
    layout !== undefined || stored !== expected || reads > 1 ? wasModified(stat, storableSize(fstat(file))) : false;
  return {
    stat,
    content: storer.reference(read.size, read.ids),
    layout: stored < expected ? layout?.truncated(stored) : layout,
    xattrs: readAttributes(file),
    torn,
  };
}

/** Whether a file was written or replaced between two stats. */
export function wasModified(before: FileStat, after: FileStat): boolean {
  return (
    before.size !== after.size ||
    before.mtimeSeconds !== after.mtimeSeconds ||
    before.mtimeNanoseconds !== after.mtimeNanoseconds ||
    before.inode !== after.inode ||
    before.device !== after.device
  );
}

/**
 * Stores a segment of an open file, chunked separately.
 *
 * @param offset within the file's data, as `length`; without a layout that is the offset in the file
 * @param stored bytes of data in the file when it was found
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

/** Reads the data between holes. @returns the number of bytes; fewer than `length` when the file was truncated */
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
 * Reads [offset, offset + length) of an open file, up to its end.
 *
 * @param expected bytes that probably exist
 * @returns the number of bytes read
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
    // A short read beyond the expected length is the end. Files of /proc have size 0 and are read until read() returns 0.
    if (count < wanted && expected > 0 && done >= expected) break;
  }
  return done;
}

/** Reads a range, and drops it from the page cache if it was not cached before: a backup reads a file only once. */
function withoutCaching<Result>(file: number, offset: number, length: number, read: () => Result): Result {
  if (length < NOT_CACHED_BYTES) return read();
  const cached = cachedPages(file, offset, length);
  const result = read();
  const wasUncached = cached === undefined ? length >= UNKNOWN_CACHED_BYTES : cached * PAGE * 20 < length;
  if (wasUncached) dropFromPageCache(file, offset, length);
  return result;
}

/**
 * The reason why a path could not be read, for the report.
 *
 * @throws the cause, when it is not about the path but an error of the repository or of this program
 */
export function readFailure(cause: unknown): string {
  if (cause instanceof VarveError && cause.code === 'source') return cause.message;
  if (cause instanceof Error && 'syscall' in cause && errnoCode(cause) !== undefined) return systemReason(cause);
  throw cause;
}
