import type { Buffer } from 'node:buffer';
import { Chunker } from '../chunking/chunker.js';
import { compressionParameters } from '../compression/policy.js';
import { type ContentRef, TREE } from '../format/content.js';
import { BlobWriter, FRAME_TARGET } from '../repository/blob-writer.js';
import type { IndexedRepository } from '../repository/index-store.js';
import { PackBuffers } from '../repository/pack-buffers.js';
import { PACK_TARGET, PackWriter, packCapacity } from '../repository/pack-writer.js';
import { PackUploader } from '../repository/uploader.js';

/** Stores a few folders. */
export class TreeStorer {
  readonly #uploader: PackUploader;
  readonly #packs: PackWriter;
  readonly #blobs: BlobWriter;

  constructor(repository: IndexedRepository) {
    const { keys, config, index } = repository;
    const space = new PackBuffers(packCapacity(PACK_TARGET, config.tree.max, config.parity));
    // What fails is thrown when all is waited for.
    this.#uploader = new PackUploader(repository, space, () => undefined);
    const compression = compressionParameters('auto');
    const emit = this.#uploader.accept.bind(this.#uploader);
    this.#packs = new PackWriter({
      keys,
      kind: TREE,
      compression,
      target: PACK_TARGET,
      parity: config.parity,
      space,
      emit,
    });
    this.#blobs = new BlobWriter({
      kind: TREE,
      chunker: Chunker.create(keys.gear, config.tree, BlobWriter.capacity(config.tree.max, FRAME_TARGET[TREE])),
      idKey: keys.id,
      deduplicator: { claim: (id) => !index.has(id) },
      packs: this.#packs,
      frameTarget: FRAME_TARGET[TREE],
    });
  }

  /** @param entries their encodings, one after another in order of name */
  folder(entries: Buffer): ContentRef {
    this.#blobs.begin();
    this.#blobs.write(entries);
    return this.#blobs.end();
  }

  /** Makes all of it durable, then lists it in the index. */
  async finish(): Promise<void> {
    this.#blobs.flush();
    this.#packs.finish();
    await this.#uploader.finish();
  }
}
