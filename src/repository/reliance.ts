import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from './blob-index.js';
import type { TreeReader } from './tree-reader.js';

/** Notes what a new snapshot takes over from an old one, so that it is not written when a prune condemns that meanwhile. */
export class Reliance {
  readonly #index: BlobIndex;
  readonly #reader: TreeReader;

  constructor(index: BlobIndex, reader: TreeReader) {
    this.#index = index;
    this.#reader = reader;
  }

  /** Whether all blobs of a stream may be relied on. @throws VarveError `damaged` when a list of them cannot be read */
  on(content: ContentRef): boolean | Promise<boolean> {
    return this.#onAll(content.ids) && (content.depth === 0 || this.#onListed(content));
  }

  /**
   * Relies on all that an entry needs beside what is in a folder.
   *
   * @throws VarveError `incomplete` when it may not be relied on
   */
  async onEntry({ type, content, xattrs, holes }: Pick<Entry, 'type' | 'content' | 'xattrs' | 'holes'>, path: Buffer) {
    const streams = [type === 'file' ? content : undefined, xattrs, holes];
    for (const stream of streams) if (isReference(stream) && !(await this.on(stream))) throw condemned(path);
  }

  #onAll(ids: Buffer): boolean {
    for (let at = 0; at < ids.length; at += ID_BYTES) if (!this.#index.has(ids, at)) return false;
    return true;
  }

  async #onListed(content: ContentRef): Promise<boolean> {
    for await (const ids of this.#reader.lists(content)) if (!this.#onAll(ids)) return false;
    return true;
  }
}

function condemned(path: Buffer): VarveError {
  return new VarveError(
    'incomplete',
    `${path}: what it needs is lost, or condemned by a prune though this snapshot needs it: run \`varve check\`; another \`varve prune\` takes back what was condemned`,
  );
}
