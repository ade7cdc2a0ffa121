// Writes long lists of packs as index objects of a good size.
// Which packs are listed, replaced and condemned is left to the caller.
import type { IndexedPack, IndexObject } from '../../format/index-object.js';
import { blobCount } from '../../format/pack-record.js';
import type { Repository } from '../repository.js';
import { writeIndex } from './index-store.js';

/** Blobs in an index object, about, when there are enough. */
export const INDEX_BLOBS = 100_000;

/** Lists packs in few index objects of some INDEX_BLOBS blobs. */
export class IndexWriter {
  readonly #repository: Repository;
  #packs: IndexedPack[] = [];
  #blobs = 0;
  /** Names of the objects that were written and are durable. */
  readonly written: string[] = [];

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  async add(pack: IndexedPack): Promise<void> {
    this.#packs.push(pack);
    this.#blobs += blobCount(pack.record);
    if (this.#blobs >= INDEX_BLOBS) await this.#write();
  }

  /** @param taking what the last object replaces and condemns. All others are durable before it is written */
  async finish(taking?: Pick<IndexObject, 'replaces' | 'condemned'>): Promise<void> {
    if (this.#packs.length > 0 || taking !== undefined) await this.#write(taking);
  }

  async #write(taking?: Pick<IndexObject, 'replaces' | 'condemned'>): Promise<void> {
    this.written.push(await writeIndex(this.#repository, this.#packs, taking));
    this.#packs = [];
    this.#blobs = 0;
  }
}
