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
import { FrameOpener, locateBlob, PackKeyRing, TreeBlobs } from './blob-reader.js';
import { checkSize, splitIds, streamBlobs, streamIds } from './content-stream.js';
import { TimeSlices } from './time-slices.js';

/** What the holes of files are read as, piece by piece: however long a hole is, this is all the memory that it takes. */
const ZEROS = Buffer.alloc(1024 * 1024);

/** Entries that are read without a look at the clock. */
const ENTRIES_PER_STEP = 64;

export interface TreeReaderOptions {
  /** Ends whatever is being read. */
  readonly signal?: AbortSignal | undefined;
  /** As TreeBlobs takes it: for those that read one directory after another to its end and keep nothing of it. */
  readonly reuse?: boolean;
}

/** Reads trees and file contents of a repository. Everything it returns is verified. Yields to the event loop, however long a tree is. */
export class TreeReader {
  readonly #repository: IndexedRepository;
  readonly #opener: FrameOpener;
  readonly #blobs: TreeBlobs;
  /** For frames as they are stored, each only until it is opened; undefined when each is to have memory of its own. */
  #room: Buffer | undefined;

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
    if (reuse) this.#room = Buffer.alloc(0);
  }

  /** One tree blob. */
  async blob(id: Buffer): Promise<Buffer> {
    await this.#slices.step();
    const frame = this.#blobs.missing(id);
    if (frame !== undefined) {
      const { index, store } = this.#repository;
      const range = { offset: frame.offset, length: frame.storedLength };
      const room = this.#roomFor(frame.storedLength);
      const advice = { keep: true, ...(room !== undefined && { room }) };
      this.#blobs.supply(id, await store.get('data', index.packName(frame.pack), range, advice));
    }
    return this.#blobs.take(id);
  }

  #roomFor(length: number): Buffer | undefined {
    if (this.#room !== undefined && this.#room.length < length) this.#room = Buffer.allocUnsafeSlow(2 * length);
    return this.#room;
  }

  /** The ids of a content's blobs, several at a time. @throws VarveError as `streamIds` */
  lists(content: ContentRef): AsyncGenerator<Buffer> {
    return streamIds(content, (id) => this.blob(id));
  }

  /** The same, all of them, with memory of their own. */
  async ids(content: ContentRef): Promise<Buffer> {
    if (content.depth === 0) return Buffer.from(content.ids);
    const parts: Buffer[] = [];
    for await (const ids of this.lists(content)) parts.push(ids);
    return Buffer.concat(parts);
  }

  /**
   * An attachment's bytes.
   *
   * @throws VarveError `damaged` when they are not as many as the reference says
   */
  async attachment(attachment: Attachment): Promise<Buffer> {
    if (!isReference(attachment)) return attachment;
    const parts: Buffer[] = [];
    for await (const blob of this.stream(attachment)) parts.push(blob);
    return Buffer.concat(parts);
  }

  /** The extended attributes of an entry. @param path the entry as errors call it */
  async xattrs({ xattrs }: Pick<Entry, 'xattrs'>, path: string): Promise<Xattr[]> {
    if (xattrs === undefined) return [];
    try {
      return decodeXattrs(await this.attachment(xattrs), path);
    } catch (cause) {
      throw aboutPath(path, cause);
    }
  }

  /**
   * The entries of a directory in order of name. The EntryReader that is yielded is valid until the next one is asked for.
   *
   * @param path the directory as errors call it
   * @param onBad gets entries that cannot be read, in their place; without it they are an error after the last entry
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
   * The entry that a path names.
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
   * The directory that a path names.
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
   * A file's bytes, with zeros for its holes. What is yielded is not to be changed.
   *
   * @param path the file as errors call it
   * @param range bytes of the file, `end` not included; blobs outside it are not fetched
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
   * A stream of kind data, blob by blob: its bytes from `start` to `end`, which is not included.
   *
   * @throws VarveError `damaged` before the first when they are not as many as the reference says
   */
  async *content(reference: ContentRef, start = 0, end = reference.size): AsyncGenerator<Buffer> {
    checkSize(await this.#sizeOf(reference), reference.size);
    const { index, store } = this.#repository;
    let opened: { frame: number; raw: Buffer } | undefined;
    let next = 0;
    for await (const ids of this.lists(reference)) {
      for (const id of splitIds(ids)) {
        await this.#slices.step();
        const { frame, offset, length, pack } = locateBlob(index, id, DATA);
        const at = next;
        next += length;
        if (at >= end) return;
        if (next <= start) continue;
        if (opened?.frame !== frame) {
          const located = index.frame(frame);
          const range = { offset: located.offset, length: located.storedLength };
          opened = { frame, raw: this.#opener.open(located, await store.get('data', index.packName(pack), range)) };
        }
        const blob = opened.raw.subarray(offset, offset + length);
        this.#opener.verify(id, DATA, blob, pack);
        yield blob.subarray(Math.max(0, start - at), Math.min(length, end - at));
      }
    }
  }

  /** Bytes of a stream of kind data, as the index has them. */
  async #sizeOf(reference: ContentRef): Promise<number> {
    let size = 0;
    for await (const ids of this.lists(reference))
      for (const id of splitIds(ids)) size += locateBlob(this.#repository.index, id, DATA).length;
    return size;
  }
}
