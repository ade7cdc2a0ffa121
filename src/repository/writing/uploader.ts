import { asBuffer } from '../../bytes/views.js';
import { type BlobKind, TREE } from '../../format/content.js';
import type { IndexedPack } from '../../format/index-object.js';
import { blobCount } from '../../format/pack-record.js';
import { indexedPack, writeIndex } from '../index/index-store.js';
import type { FinishedPack } from '../packs/pack-writer.js';
import type { Repository } from '../repository.js';

/** An index object is written when it lists this many blobs, or this long after the last. */
const INDEX_BLOBS = 100_000;
const INDEX_MS = 3 * 60 * 1000;

/** Where finished packs are. */
export interface PackMemory {
  bytes(number: number): Uint8Array;
  release(number: number): void;
}

/** Stores finished packs, and lists them in index objects from time to time, so that an interrupted run loses little. */
export class PackUploader {
  readonly #repository: Repository;
  readonly #buffers: PackMemory;
  readonly #onFailure: (cause: unknown) => void;
  readonly #uploads = new Set<Promise<void>>();
  /** Names of the packs that were stored. */
  readonly stored: string[] = [];
  /** Bytes of the packs that were stored. */
  storedBytes = 0;
  #unlisted: IndexedPack[] = [];
  #blobs = 0;
  #lastIndex: number;
  #writing: Promise<void> = Promise.resolve();
  /** The first: from then on this run's packs are not all there, whatever becomes of the others. */
  #failure: { readonly cause: unknown } | undefined;

  /** @param onFailure is told each failure as it happens; `finish` throws the first */
  constructor(repository: Repository, buffers: PackMemory, onFailure: (cause: unknown) => void) {
    this.#repository = repository;
    this.#buffers = buffers;
    this.#onFailure = onFailure;
    this.#lastIndex = repository.clock();
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Packs that are on their way to the store. */
  get underWay(): number {
    return this.#uploads.size;
  }

  /** Waits until a pack that is on its way is stored. */
  async next(): Promise<void> {
    await Promise.race(this.#uploads);
  }

  /** Stores a pack, then frees its buffer. */
  accept(pack: FinishedPack): void {
    const upload = this.#upload(pack).catch((cause) => {
      this.#failure ??= { cause };
      this.#onFailure(cause);
    });
    this.#uploads.add(upload);
    void upload.then(() => this.#uploads.delete(upload));
  }

  async #upload(pack: FinishedPack): Promise<void> {
    const { store } = this.#repository;
    const bytes = asBuffer(this.#buffers.bytes(pack.buffer)).subarray(0, pack.size);
    const kind: BlobKind = pack.record.kind;
    await store.put('data', pack.name, [bytes], { keep: kind === TREE });
    this.#buffers.release(pack.buffer);
    this.stored.push(pack.name);
    this.storedBytes += pack.size;
    this.#unlisted.push(indexedPack(pack.name, pack.size, pack.record));
    this.#blobs += blobCount(pack.record);
    const due = this.#repository.clock() - this.#lastIndex > INDEX_MS || this.#blobs >= INDEX_BLOBS;
    if (due && this.#failure === undefined) await this.#list();
  }

  /**
   * Waits for all packs to be durable, then lists the rest of them; then the snapshot may be written.
   *
   * @throws what kept any pack or list of this run from being stored, however long ago
   */
  async finish(): Promise<void> {
    await Promise.all(this.#uploads);
    if (this.#failure !== undefined) throw this.#failure.cause;
    await this.#list();
  }

  /** After a failure that makes them worthless: removes the packs that were stored and that no index object lists. */
  async discard(): Promise<void> {
    await Promise.all(this.#uploads);
    await this.#writing.catch(() => undefined);
    for (const { name } of this.#unlisted.splice(0)) await this.#repository.store.remove('data', name.toString('hex'));
  }

  /** After a failure or a Ctrl-C: lists what has been stored, so that the next run need not store it again. */
  async salvage(): Promise<void> {
    await Promise.all(this.#uploads);
    await this.#list();
  }

  #list(): Promise<void> {
    const packs = this.#unlisted;
    this.#unlisted = [];
    this.#blobs = 0;
    this.#lastIndex = this.#repository.clock();
    if (packs.length > 0) {
      this.#writing = this.#writing.then(async () => {
        await writeIndex(this.#repository, packs);
      });
      this.#writing.catch(() => undefined);
    }
    return this.#writing;
  }
}
