// Reads trees and contents of files from a repository that is open.
// Opening frames is left to blob-reader.ts, parsing entries to format/.
import { Buffer } from 'node:buffer';
import { aboutPath, VarveError } from '../../errors/errors.js';
import { type Attachment, isReference } from '../../format/attachment.js';
import { type ContentRef, DATA } from '../../format/content.js';
import { DirectoryParser } from '../../format/directory-parser.js';
import type { Entry } from '../../format/entry.js';
import type { BadEntry, EntryReader } from '../../format/entry-reader.js';
import { Layout } from '../../format/layout.js';
import { decodeXattrs, type Xattr } from '../../format/xattrs.js';
import type { IndexedRepository } from '../index/index-store.js';
import { knownTreeKeys } from '../tree-keys.js';
import { FrameOpener, locateBlob, PackKeyRing, passOver, TreeBlobs } from './blob-reader.js';
import { checkSize, splitIds, streamBlobs, streamIds } from './content-stream.js';
import { TimeSlices } from './time-slices.js';

/** Holes of files are read as pieces of this, so that a long hole takes no more memory. */
const ZEROS = Buffer.alloc(1024 * 1024);

/** Entries between two looks at the clock. */
const ENTRIES_PER_STEP = 64;

interface OpenedFrame {
  readonly frame: number;
  readonly raw: Buffer;
}

export interface TreeReaderOptions {
  /** Interrupts all reading. */
  readonly signal?: AbortSignal | undefined;
  /** Reuses buffers: an entry or blob is valid only until the next is read. */
  readonly reuse?: boolean;
}

/** Reads trees and contents of files, and verifies everything. Yields to the event loop, however long a tree is. */
export class TreeReader {
  readonly #repository: IndexedRepository;
  readonly #opener: FrameOpener;
  readonly #blobs: TreeBlobs;
  /** Buffer for the stored bytes of a frame until it is opened; undefined when buffers are not reused. */
  #fetched: Buffer | undefined;
  readonly #slices: TimeSlices;

  constructor(repository: IndexedRepository, { signal, reuse = false }: TreeReaderOptions = {}) {
    this.#repository = repository;
    this.#slices = new TimeSlices(signal);
    this.#opener = new FrameOpener(
      repository.index,
      repository.keys,
      new PackKeyRing(repository.keys, knownTreeKeys(repository)),
    );
    this.#blobs = new TreeBlobs(this.#opener, reuse);
    if (reuse) this.#fetched = Buffer.alloc(0);
  }

  /** One tree blob. */
  async blob(id: Buffer): Promise<Buffer> {
    await this.#slices.step();
    for (;;) {
      try {
        return await this.#copy(id);
      } catch (cause) {
        if (!this.#blobs.passOver(id, cause, this.#repository.badCopies)) throw cause;
      }
    }
  }

  async #copy(id: Buffer): Promise<Buffer> {
    const frame = this.#blobs.missing(id);
    if (frame !== undefined) {
      const { index, store } = this.#repository;
      const range = { offset: frame.offset, length: frame.storedLength };
      const into = this.#bufferFor(frame.storedLength);
      const advice = { keep: true, ...(into !== undefined && { into: into }) };
      this.#blobs.supply(id, await store.get('data', index.packName(frame.pack), range, advice));
    }
    return this.#blobs.take(id);
  }

  #bufferFor(length: number): Buffer | undefined {
    if (this.#fetched !== undefined && this.#fetched.length < length)
      this.#fetched = Buffer.allocUnsafeSlow(2 * length);
    return this.#fetched;
  }

  /** The ids of a content's blobs, several at a time. @throws VarveError as `streamIds` */
  lists(content: ContentRef): AsyncGenerator<Buffer> {
    return streamIds(content, (id) => this.blob(id));
  }

  /** All ids of a content's blobs, as a copy. */
  async ids(content: ContentRef): Promise<Buffer> {
    if (content.depth === 0) return Buffer.from(content.ids);
    const parts: Buffer[] = [];
    for await (const ids of this.lists(content)) parts.push(ids);
    return Buffer.concat(parts);
  }

  /** An attachment's bytes. @throws VarveError as `streamBlobs` */
  async attachment(attachment: Attachment): Promise<Buffer> {
    if (!isReference(attachment)) return attachment;
    const parts: Buffer[] = [];
    for await (const blob of this.stream(attachment)) parts.push(blob);
    return Buffer.concat(parts);
  }

  /** The extended attributes of an entry. @param path the entry's path in errors */
  async xattrs({ xattrs }: Pick<Entry, 'xattrs'>, path: string): Promise<Xattr[]> {
    if (xattrs === undefined) return [];
    try {
      return decodeXattrs(await this.attachment(xattrs), path);
    } catch (cause) {
      throw aboutPath(path, cause);
    }
  }

  /**
   * The entries of a directory in order of name. An EntryReader is valid until the next one is read.
   *
   * @param path the directory's path in errors
   * @param onBad gets each entry that cannot be read, in its order; without it they are an error after the last entry
   */
  async *entries(content: ContentRef, path: string, onBad?: (bad: BadEntry) => void): AsyncGenerator<EntryReader> {
    const parser = new DirectoryParser(path, onBad);
    let count = 0;
    try {
      for await (const blob of this.stream(content)) {
        for (const entry of parser.push(blob)) {
          yield entry;
          if (++count % ENTRIES_PER_STEP === 0) await this.#slices.step();
        }
      }
      yield* parser.end();
    } catch (cause) {
      throw aboutPath(path, cause);
    }
  }

  /** The blobs of a content of kind tree. @throws VarveError as `streamBlobs` */
  stream(content: ContentRef): AsyncGenerator<Buffer> {
    return streamBlobs(content, (id) => this.blob(id));
  }

  /**
   * Finds the entry of a path.
   *
   * @param names the path's components, from the root on
   * @throws VarveError `not-found`
   */
  async find(root: ContentRef, names: readonly Buffer[]): Promise<Entry> {
    let content: ContentRef | undefined = root;
    let entry: Entry | undefined;
    for (const [depth, name] of names.entries()) {
      const directory = `/${names.slice(0, depth).join('/')}`;
      entry = content && (await this.#named(content, name, directory));
      if (entry === undefined)
        throw new VarveError('not-found', `/${names.slice(0, depth + 1).join('/')}: not in the snapshot`);
      content = entry.type === 'directory' ? entry.content : undefined;
    }
    if (entry === undefined) throw new VarveError('internal', 'the root directory has no entry');
    return entry;
  }

  /**
   * Finds the directory of a path.
   *
   * @throws VarveError `not-found`, or `usage` when it is not a directory
   */
  async directory(root: ContentRef, names: readonly Buffer[]): Promise<ContentRef> {
    if (names.length === 0) return root;
    const entry = await this.find(root, names);
    if (entry.type === 'directory' && entry.content !== undefined) return entry.content;
    throw new VarveError('usage', `/${names.join('/')}: not a directory in the snapshot`);
  }

  async #named(content: ContentRef, name: Buffer, path: string): Promise<Entry | undefined> {
    let unreadable: VarveError | undefined;
    const onBad = (bad: BadEntry): void => {
      if (bad.name === undefined || bad.name.equals(name)) unreadable ??= bad.error;
    };
    for await (const entry of this.entries(content, path, onBad)) if (entry.name.equals(name)) return entry.entry();
    if (unreadable !== undefined) throw unreadable;
    return undefined;
  }

  /**
   * A file's bytes, with zeros for its holes. The caller must not change the buffers.
   *
   * @param path the file's path in errors
   * @param range the bytes to read, without the one at `end`. Blobs outside it are not fetched
   */
  async *file(
    { size, content, holes }: Pick<Entry, 'size' | 'content' | 'holes'>,
    path: string,
    { start = 0, end = size }: { readonly start?: number; readonly end?: number } = {},
  ): AsyncGenerator<Buffer> {
    if (content === undefined) throw new VarveError('internal', `${path}: has no content`);
    try {
      if (holes === undefined) yield* this.content(content, start, end);
      else {
        const layout = Layout.decode(await this.attachment(holes), size, content.size, path);
        yield* this.#sparse(content, layout, start, Math.min(end, size));
      }
    } catch (cause) {
      throw aboutPath(path, cause);
    }
  }

  async *#sparse(content: ContentRef, layout: Layout, start: number, end: number): AsyncGenerator<Buffer> {
    let written = start;
    const data = [...layout.within(start, end - start)];
    const [first, last] = [data[0], data.at(-1)];
    if (first !== undefined && last !== undefined) {
      let { stream } = first;
      for await (const blob of this.content(content, stream, last.stream + last.length)) {
        for (const piece of layout.pieces(stream, blob.length)) {
          yield* this.#zeros(piece.file - written);
          yield blob.subarray(piece.stream - stream, piece.stream - stream + piece.length);
          written = piece.file + piece.length;
        }
        stream += blob.length;
      }
    }
    yield* this.#zeros(end - written);
  }

  async *#zeros(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; left -= ZEROS.length) {
      await this.#slices.step();
      yield left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS;
    }
  }

  /**
   * A content of kind data, blob by blob: its bytes from `start` up to `end`, without the one at `end`.
   *
   * @throws VarveError `damaged` before the first blob when they have more or fewer bytes than the reference states
   */
  async *content(reference: ContentRef, start = 0, end = reference.size): AsyncGenerator<Buffer> {
    checkSize(await this.#sizeOf(reference), reference.size);
    let opened: { frame: number; raw: Buffer } | undefined;
    let next = 0;
    for await (const ids of this.lists(reference)) {
      for (const id of splitIds(ids)) {
        await this.#slices.step();
        const { length } = locateBlob(this.#repository.index, id, DATA);
        const at = next;
        next += length;
        if (at >= end) return;
        if (next <= start) continue;
        const read = await this.#dataBlob(id, opened);
        opened = read.opened;
        yield read.blob.subarray(Math.max(0, start - at), Math.min(length, end - at));
      }
    }
  }

  /** The verified blob, from the first copy that can be read. @param opened the frame that was opened last */
  async #dataBlob(id: Buffer, opened?: OpenedFrame): Promise<{ readonly blob: Buffer; readonly opened: OpenedFrame }> {
    const { index, store, badCopies } = this.#repository;
    for (let last = opened; ; last = undefined) {
      const { frame, offset, length, pack } = locateBlob(index, id, DATA);
      try {
        if (last?.frame !== frame) {
          const located = index.frame(frame);
          const range = { offset: located.offset, length: located.storedLength };
          last = { frame, raw: this.#opener.open(located, await store.get('data', index.packName(pack), range)) };
        }
        const blob = last.raw.subarray(offset, offset + length);
        this.#opener.verify(id, DATA, blob, pack);
        return { blob, opened: last };
      } catch (cause) {
        if (!passOver(index, index.find(id), cause, badCopies)) throw cause;
      }
    }
  }

  /**
   * Finds out how long blobs are where copies are listed with different lengths: then `locateBlob` gives a copy that is what its id says.
   *
   * @param ids of blobs of kind data
   */
  async settleLengths(ids: Buffer): Promise<void> {
    const { index } = this.#repository;
    if (!index.shared.lengthsDiffer) return;
    for (const id of splitIds(ids)) if (index.isLengthInDoubt(index.find(id))) await this.#dataBlob(id);
  }

  /** Bytes of a content of kind data, according to the index. */
  async #sizeOf(reference: ContentRef): Promise<number> {
    let size = 0;
    for await (const ids of this.lists(reference)) {
      await this.settleLengths(ids);
      for (const id of splitIds(ids)) size += locateBlob(this.#repository.index, id, DATA).length;
    }
    return size;
  }
}
