import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { type Attachment, isReference } from '../format/attachment.js';
import { type ContentRef, DATA } from '../format/content.js';
import { DirectoryParser } from '../format/directory-parser.js';
import type { Entry, EntryReader } from '../format/entry.js';
import { checkIdList, checkSize, FrameOpener, locateBlob, PackKeyRing, splitIds, TreeBlobs } from './blob-reader.js';
import type { IndexedRepository } from './index-store.js';
import { knownTreeKeys } from './tree-keys.js';

/** Reads trees and file contents of a repository. Everything it returns is verified. */
export class TreeReader {
  readonly #repository: IndexedRepository;
  readonly #opener: FrameOpener;
  readonly #blobs: TreeBlobs;

  constructor(repository: IndexedRepository) {
    this.#repository = repository;
    this.#opener = new FrameOpener(
      repository.index,
      repository.keys,
      new PackKeyRing(repository.keys, knownTreeKeys(repository)),
    );
    this.#blobs = new TreeBlobs(this.#opener);
  }

  /** One tree blob. */
  async blob(id: Buffer): Promise<Buffer> {
    const frame = this.#blobs.missing(id);
    if (frame !== undefined) {
      const { index, store } = this.#repository;
      const range = { offset: frame.offset, length: frame.storedLength };
      this.#blobs.supply(id, await store.get('data', index.packName(frame.pack), range, { keep: true }));
    }
    return this.#blobs.take(id);
  }

  /** The ids of a stream's own blobs, with a list resolved. */
  async ids(content: ContentRef): Promise<Buffer> {
    if (content.depth === 0) return content.ids;
    const parts: Buffer[] = [];
    for (const id of splitIds(content.ids)) parts.push(await this.blob(id));
    return checkIdList(parts);
  }

  /**
   * An attachment's bytes.
   *
   * @throws VarveError `damaged` when they are not as many as the reference says
   */
  async attachment(attachment: Attachment): Promise<Buffer> {
    if (!isReference(attachment)) return attachment;
    const parts: Buffer[] = [];
    let size = 0;
    for (const id of splitIds(await this.ids(attachment))) {
      const blob = await this.blob(id);
      size += blob.length;
      if (size > attachment.size) break;
      parts.push(blob);
    }
    checkSize(size, attachment.size);
    return Buffer.concat(parts);
  }

  /**
   * The entries of a directory in order of name. The EntryReader that is yielded is valid until the next one is asked for.
   *
   * @param what the directory as errors call it
   */
  async *entries(content: ContentRef, what: string): AsyncGenerator<EntryReader> {
    const parser = new DirectoryParser(what);
    for (const id of splitIds(await this.ids(content))) yield* parser.push(await this.blob(id));
    parser.end();
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
      const path = `/${names.slice(0, depth + 1).join('/')}`;
      entry = content && (await this.#named(content, name, path));
      if (entry === undefined) throw new VarveError('not-found', `${path}: not in the snapshot`);
      content = entry.type === 'directory' ? entry.content : undefined;
    }
    if (entry === undefined) throw new VarveError('internal', 'the root directory has no entry');
    return entry;
  }

  /**
   * The folder that a path names.
   *
   * @throws VarveError `not-found`, or `usage` when it is not a folder
   */
  async folder(root: ContentRef, names: readonly Buffer[]): Promise<ContentRef> {
    if (names.length === 0) return root;
    const entry = await this.find(root, names);
    if (entry.type === 'directory' && entry.content !== undefined) return entry.content;
    throw new VarveError('usage', `/${names.join('/')}: not a folder in the snapshot`);
  }

  async #named(content: ContentRef, name: Buffer, path: string): Promise<Entry | undefined> {
    for await (const entry of this.entries(content, path)) if (entry.name.equals(name)) return entry.entry();
    return undefined;
  }

  /**
   * A file's bytes, blob by blob.
   *
   * @throws VarveError `damaged` before the first when they are not as many as the reference says
   */
  async *content(reference: ContentRef): AsyncGenerator<Buffer> {
    const { index, store } = this.#repository;
    const ids = [...splitIds(await this.ids(reference))];
    const size = ids.reduce((sum, id) => sum + locateBlob(index, id, DATA).length, 0);
    checkSize(size, reference.size);
    let opened: { frame: number; raw: Buffer } | undefined;
    for (const id of ids) {
      const { frame, offset, length, pack } = locateBlob(index, id, DATA);
      if (opened?.frame !== frame) {
        const located = index.frame(frame);
        const range = { offset: located.offset, length: located.storedLength };
        opened = { frame, raw: this.#opener.open(located, await store.get('data', index.packName(pack), range)) };
      }
      const blob = opened.raw.subarray(offset, offset + length);
      this.#opener.verify(id, DATA, blob, pack);
      yield blob;
    }
  }
}
