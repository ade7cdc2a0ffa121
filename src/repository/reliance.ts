import type { Buffer } from 'node:buffer';
import { isBroken, VarveError } from '../errors/errors.js';
import { isReference } from '../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from './blob-index.js';
import { splitIds } from './blob-reader.js';
import type { RepositoryWriter } from './repository-writer.js';
import type { TreeReader } from './tree-reader.js';

/**
 * Notes what a new snapshot takes over from an old one, so that the snapshot is not written when a prune condemns that. With a writer,
 * blobs of packs that are condemned already are stored again.
 */
export class Reliance {
  readonly #index: BlobIndex;
  readonly #reader: TreeReader;
  readonly #writer: RepositoryWriter | undefined;

  constructor(index: BlobIndex, reader: TreeReader, writer?: RepositoryWriter) {
    this.#index = index;
    this.#reader = reader;
    this.#writer = writer;
  }

  /** Whether the new snapshot may rely on all blobs of a stream. @throws VarveError `damaged` when a list of them cannot be read */
  on(content: ContentRef, kind: BlobKind): boolean | Promise<boolean> {
    return content.depth === 0 && this.#areStored(content.ids) ? true : this.#onStream(content, kind);
  }

  #areStored(ids: Buffer): boolean {
    for (let at = 0; at < ids.length; at += ID_BYTES) if (!this.#index.has(ids, at)) return false;
    return true;
  }

  async #onStream(content: ContentRef, kind: BlobKind): Promise<boolean> {
    if (!(await this.#onAll(content.ids, content.depth === 0 ? kind : TREE))) return false;
    if (content.depth === 0) return true;
    for await (const ids of this.#reader.lists(content)) if (!(await this.#onAll(ids, kind))) return false;
    return true;
  }

  /**
   * Relies on all that an entry needs beside what is in a folder.
   *
   * @throws VarveError `incomplete` when it may not be relied on
   */
  async onEntry({ type, content, xattrs, holes }: Pick<Entry, 'type' | 'content' | 'xattrs' | 'holes'>, path: Buffer) {
    const streams = [
      [type === 'file' ? content : undefined, DATA],
      [xattrs, TREE],
      [holes, TREE],
    ] as const;
    for (const [stream, kind] of streams)
      if (isReference(stream) && !(await this.on(stream, kind))) throw condemned(path);
  }

  async #onAll(ids: Buffer, kind: BlobKind): Promise<boolean> {
    if (this.#areStored(ids)) return true;
    for (const id of splitIds(ids)) if (!this.#index.has(id) && !(await this.#storeAgain(id, kind))) return false;
    return true;
  }

  /** Stores a blob of a condemned pack again. @returns false when that cannot be, as the blob is lost or the key may not read it */
  async #storeAgain(id: Buffer, kind: BlobKind): Promise<boolean> {
    const blob = this.#index.find(id);
    if (this.#writer === undefined || blob < 0) return false;
    try {
      for await (const bytes of this.#read(id, kind, this.#index.lengthOf(blob))) this.#writer.put(kind, bytes);
    } catch (cause) {
      if (!isBroken(cause)) throw cause;
      return false;
    }
    await this.#writer.settle();
    return true;
  }

  #read(ids: Buffer, kind: BlobKind, size: number): AsyncGenerator<Buffer> {
    const content = { size, depth: 0, ids } as const;
    return kind === DATA ? this.#reader.content(content) : this.#reader.stream(content);
  }
}

function condemned(path: Buffer): VarveError {
  return new VarveError(
    'incomplete',
    `${path}: what it needs is lost, or condemned by a prune though this snapshot needs it: run \`varve check\`; another \`varve prune\` takes back what was condemned`,
  );
}
