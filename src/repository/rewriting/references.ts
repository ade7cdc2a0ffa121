import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { isReference } from '../../format/attachment.js';
import type { ContentRef } from '../../format/content.js';
import type { Entry } from '../../format/entry.js';
import { ID_BYTES } from '../../format/limits.js';
import type { BlobIndex } from '../index/blob-index.js';
import type { TreeReader } from '../reading/tree-reader.js';

/**
 * Notes the blobs that a new snapshot takes over from an old one, so that `commitSnapshot` copies those in condemned packs. A pack can be
 * condemned although a snapshot needs it, if that snapshot was written while the prune read the others.
 */
export class References {
  readonly #index: BlobIndex;
  readonly #reader: TreeReader;

  constructor(index: BlobIndex, reader: TreeReader) {
    this.#index = index;
    this.#reader = reader;
  }

  /**
   * Relies on the blobs of a content.
   *
   * @returns whether the index lists all of them
   * @throws VarveError `damaged` when a list of them cannot be read
   */
  add(content: ContentRef): boolean | Promise<boolean> {
    return this.#addAll(content.ids) && (content.depth === 0 || this.#addListed(content));
  }

  /**
   * Relies on the blobs of an entry's content and attributes, but not on those of a directory.
   *
   * @throws VarveError `incomplete` when the index lacks one of them
   */
  async addEntry({ type, content, xattrs, holes }: Pick<Entry, 'type' | 'content' | 'xattrs' | 'holes'>, path: Buffer) {
    const streams = [type === 'file' ? content : undefined, xattrs, holes];
    for (const stream of streams) if (isReference(stream) && !(await this.add(stream))) throw lost(path);
  }

  #addAll(ids: Buffer): boolean {
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const blob = this.#index.find(ids, at);
      if (blob < 0) return false;
      this.#index.relyOn(blob);
    }
    return true;
  }

  async #addListed(content: ContentRef): Promise<boolean> {
    for await (const ids of this.#reader.lists(content)) if (!this.#addAll(ids)) return false;
    return true;
  }
}

function lost(path: Buffer): VarveError {
  return new VarveError('incomplete', `${path}: blobs that it needs are lost: run \`varve check\``);
}
