import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { isReference } from '../../format/attachment.js';
import type { ContentRef } from '../../format/content.js';
import type { Entry } from '../../format/entry.js';
import { ID_BYTES } from '../../format/limits.js';
import type { BlobIndex } from '../index/blob-index.js';
import type { TreeReader } from '../reading/tree-reader.js';

/**
 * Notes what a new snapshot takes over from an old one. What of it a prune has condemned, before or meanwhile, is copied before the snapshot is
 * written (`commitSnapshot`): a pack can be condemned though a snapshot needs it, when that was written while the prune looked at others.
 */
export class References {
  readonly #index: BlobIndex;
  readonly #reader: TreeReader;

  constructor(index: BlobIndex, reader: TreeReader) {
    this.#index = index;
    this.#reader = reader;
  }

  /** Whether the index lists all blobs of a stream. @throws VarveError `damaged` when a list of them cannot be read */
  add(content: ContentRef): boolean | Promise<boolean> {
    return this.#addAll(content.ids) && (content.depth === 0 || this.#addListed(content));
  }

  /**
   * Relies on all that an entry needs beside what is in a directory.
   *
   * @throws VarveError `incomplete` when the index lacks a part of it
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
  return new VarveError('incomplete', `${path}: what it needs is lost: run \`varve check\``);
}
