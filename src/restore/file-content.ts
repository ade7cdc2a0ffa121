// What a file of the snapshot should contain: its entry, attributes, blobs and holes.
// Comparing existing files with it is comparer.ts's part.
import { Buffer } from 'node:buffer';
import { readSync } from 'node:fs';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { isReference } from '../format/attachment.js';
import { EntryReader } from '../format/entry-reader.js';
import { Layout, type Piece } from '../format/layout.js';
import { ID_BYTES } from '../format/limits.js';
import { decodeXattrs, type Xattr } from '../format/xattrs.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import type { DataMap } from './data-map.js';
import type { ComparedFile, FileTarget } from './messages.js';

/** Bytes read at a time to look for zeros. */
const READ_BYTES = 1024 * 1024;

const NONE: readonly Xattr[] = [];

/** One blob of a file. */
export interface Part {
  readonly number: number;
  readonly id: Buffer;
  /** Offset in the file's data (without holes). */
  readonly stream: number;
  readonly length: number;
}

export function entryOf(file: FileTarget): EntryReader {
  const reader = new EntryReader(asBuffer(file.raw), 'entry');
  if (!reader.next()) throw new VarveError('internal', 'an entry is truncated');
  return reader;
}

/** @returns undefined when they could not be read @throws VarveError `damaged` */
export function xattrsOf(file: FileTarget, entry: EntryReader): readonly Xattr[] | undefined {
  const { xattrs } = entry;
  if (xattrs === undefined) return NONE;
  if (!isReference(xattrs)) return decodeXattrs(xattrs, 'its attributes');
  return file.xattrs === undefined ? undefined : decodeXattrs(asBuffer(file.xattrs), 'its attributes');
}

/** @param holes the encoded layout, when it is too long for the entry @throws VarveError `damaged` */
export function layoutOf(entry: EntryReader, holes: Uint8Array | undefined): Layout | undefined {
  if (entry.holes === undefined) return undefined;
  const bytes = isReference(entry.holes) ? holes : entry.holes;
  if (bytes === undefined) throw new VarveError('internal', 'a layout was not fetched');
  return Layout.decode(asBuffer(bytes), entry.size, entry.content?.size ?? 0, 'its holes');
}

/** The wanted content of a file: its blobs, and where they lie in it. */
export class FileContent {
  readonly entry: EntryReader;
  readonly count: number;
  readonly #index: BlobIndex;
  readonly #ids: Buffer;
  readonly #layout: Layout | undefined;

  constructor(file: ComparedFile, index: BlobIndex) {
    this.entry = entryOf(file);
    this.#index = index;
    this.#ids = asBuffer(file.ids);
    this.count = file.ids.length / ID_BYTES;
    this.#layout = layoutOf(this.entry, file.holes);
  }

  get hasHoles(): boolean {
    return this.#layout !== undefined;
  }

  *parts(): Generator<Part> {
    let stream = 0;
    for (let number = 0; number < this.count; number++) {
      const id = this.#ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES);
      const length = this.#index.lengthOf(this.#index.find(id));
      yield { number, id, stream, length };
      stream += length;
    }
  }

  /** Where a range of the data lies in the file. */
  pieces(stream: number, length: number): Iterable<Piece> {
    return this.#layout?.pieces(stream, length) ?? [{ stream, file: stream, length }];
  }

  /** Reads a blob's bytes from an open file into `into`. @returns undefined when the file is too short */
  read(file: number, { stream, length }: Part, into: Buffer): Buffer | undefined {
    for (const piece of this.pieces(stream, length)) {
      const at = piece.stream - stream;
      if (!fill(file, into.subarray(at, at + piece.length), piece.file)) return undefined;
    }
    return into.subarray(0, length);
  }

  /** Whether an open file has the holes; with `zeros`, data of zeros counts as a hole. */
  holesAreRight(file: number, map: DataMap, zeros: boolean): boolean {
    for (const { start, end } of this.#holes()) {
      if (!zeros && !map.isHole(start, end)) return false;
      for (const data of map.dataBetween(start, end)) if (!isZero(file, data.start, data.end)) return false;
    }
    return true;
  }

  *#holes(): Generator<{ start: number; end: number }> {
    if (this.#layout === undefined) return;
    let start = 0;
    for (const { file, length } of this.#layout.pieces(0, this.#layout.stored)) {
      if (file > start) yield { start, end: file };
      start = file + length;
    }
    if (start < this.#layout.size) yield { start, end: this.#layout.size };
  }
}

/** Fills a buffer. @returns false when the file ends before it is full */
function fill(file: number, bytes: Buffer, offset: number): boolean {
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(file, bytes, done, bytes.length - done, offset + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

function isZero(file: number, start: number, end: number): boolean {
  const bytes = Buffer.allocUnsafe(Math.min(READ_BYTES, end - start));
  const zeros = Buffer.alloc(bytes.length);
  for (let at = start; at < end; at += bytes.length) {
    const part = bytes.subarray(0, Math.min(bytes.length, end - at));
    if (!fill(file, part, at) || !part.equals(zeros.subarray(0, part.length))) return false;
  }
  return true;
}
