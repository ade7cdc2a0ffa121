// Where packs go: buffers to assemble them in, and the upload that lists them in the index.
// What is in a pack is left to PackWriter; the order of packs, index and snapshot to commit.ts.

import { asBuffer } from '../../bytes/views.js';
import type { ZstdParameters } from '../../compression/engine.js';
import { TREE } from '../../format/content.js';
import type { IndexedPack } from '../../format/index-object.js';
import { blobCount } from '../../format/pack-record.js';
import { SharedBuffers } from '../../workers/shared-buffers.js';
import { indexedPack, writeIndex } from '../index/index-store.js';
import { originOf } from '../index/trust.js';
import { PackBuffers } from '../packs/pack-buffers.js';
import { mergeParts } from '../packs/pack-merge.js';
import {
  type BufferPool,
  type FinishedPack,
  PACK_TARGET,
  type PackPart,
  type PackWriterOptions,
  type PackWriters,
  packCapacity,
  packWriters,
} from '../packs/pack-writer.js';
import type { Repository } from '../repository.js';

/** An index object is written when it lists this many blobs, or this long after the last. */
const INDEX_BLOBS = 100_000;
const INDEX_MS = 3 * 60 * 1000;

export interface SinkOptions {
  /** Bytes at which a pack is closed. */
  readonly target?: number | undefined;
  /** Bytes of the largest blob or frame, where that may be more than a chunk of this repository. */
  readonly largest?: number | undefined;
  /** Stores nothing. */
  readonly dryRun?: boolean | undefined;
}

/** A sink and the writers that fill its packs in this thread. */
export function openSink(
  repository: Repository,
  options: SinkOptions & {
    readonly compression: ZstdParameters | undefined;
    readonly onTreeKey?: PackWriterOptions['onTreeKey'];
  },
): { readonly sink: PackSink; readonly packs: PackWriters } {
  const { config } = repository;
  const { compression, onTreeKey, target = PACK_TARGET } = options;
  const buffers = new PackBuffers(capacityOf(repository, options));
  const sink = new PackSink(repository, buffers, options);
  const emit = (pack: FinishedPack): void => sink.accept(pack);
  return {
    sink,
    packs: packWriters({ signer: repository, compression, target, parity: config.parity, buffers, emit, onTreeKey }),
  };
}

/** A sink for packs that worker threads fill in shared buffers; `packWriters` in each thread does so. */
export function openSharedSink(
  repository: Repository,
  options: SinkOptions & { readonly threads: number; readonly onFailure?: (cause: unknown) => void },
): { readonly sink: PackSink; readonly buffers: SharedBuffers } {
  // Each thread holds a pack of data and one of trees; others are on their way to the store.
  const count = 2 * options.threads + (repository.store.connections ?? 1);
  const buffers = SharedBuffers.create(count, capacityOf(repository, options));
  const onFailure = (cause: unknown): void => {
    options.onFailure?.(cause);
    // A thread that waits for a buffer would wait forever.
    buffers.abort();
  };
  return { sink: new PackSink(repository, buffers, { ...options, onFailure }), buffers };
}

function capacityOf({ config }: Repository, { target = PACK_TARGET, largest = 0 }: SinkOptions): number {
  return packCapacity(target, Math.max(config.data.max, config.tree.max, largest), config.parity);
}

/** Stores finished packs, and lists them in index objects from time to time, so that an interrupted run loses little. */
export class PackSink {
  readonly #repository: Repository;
  readonly #buffers: Pick<BufferPool, 'bytes' | 'release'>;
  readonly #dryRun: boolean;
  readonly #onFailure: ((cause: unknown) => void) | undefined;
  readonly #uploads = new Set<Promise<void>>();
  /** Names of the packs that were stored. */
  readonly stored: string[] = [];
  /** Bytes of the packs that were stored. */
  storedBytes = 0;
  #unlisted: IndexedPack[] = [];
  #blobs = 0;
  #lastIndex: number;
  #writing: Promise<void> = Promise.resolve();
  /** The first failure. From then on some packs of this run are missing, whatever becomes of the others. */
  #failure: { readonly cause: unknown } | undefined;

  /** @param options `onFailure` gets each failure as it happens; `finish` throws the first */
  constructor(
    repository: Repository,
    buffers: Pick<BufferPool, 'bytes' | 'release'>,
    options: { readonly dryRun?: boolean | undefined; readonly onFailure?: (cause: unknown) => void } = {},
  ) {
    this.#repository = repository;
    this.#buffers = buffers;
    this.#dryRun = options.dryRun === true;
    this.#onFailure = options.onFailure;
    this.#lastIndex = repository.clock();
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws the first failure to store a pack */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  /** Waits until at most so many packs are on their way to the store. @throws the first failure to store a pack */
  async settle(underWay: number): Promise<void> {
    while (this.#uploads.size > underWay && !this.failed) await Promise.race(this.#uploads);
    this.throwIfFailed();
  }

  /** Stores a pack, then frees its buffer. */
  accept(pack: FinishedPack): void {
    if (this.#dryRun) return this.#buffers.release(pack.buffer);
    const upload = this.#upload(pack).catch((cause) => {
      this.#failure ??= { cause };
      this.#onFailure?.(cause);
    });
    this.#uploads.add(upload);
    void upload.then(() => this.#uploads.delete(upload));
  }

  /** Stores the packs that several writers could not fill, merged into as few as possible. */
  acceptParts(parts: readonly PackPart[]): void {
    const repository = this.#repository;
    const bytes = (buffer: number): Uint8Array => this.#buffers.bytes(buffer);
    const merged = mergeParts(
      repository,
      parts,
      bytes,
      (buffer) => this.#buffers.release(buffer),
      repository.config.parity,
    );
    for (const pack of merged) this.accept(pack);
  }

  async #upload(pack: FinishedPack): Promise<void> {
    const { store } = this.#repository;
    const bytes = asBuffer(this.#buffers.bytes(pack.buffer)).subarray(0, pack.size);
    await store.put('data', pack.name, [bytes], { keep: pack.record.kind === TREE });
    this.#buffers.release(pack.buffer);
    this.stored.push(pack.name);
    this.storedBytes += pack.size;
    this.#unlisted.push(indexedPack(pack.name, pack.size, pack.record, originOf(this.#repository)));
    this.#blobs += blobCount(pack.record);
    const due = this.#repository.clock() - this.#lastIndex > INDEX_MS || this.#blobs >= INDEX_BLOBS;
    if (due && this.#failure === undefined) await this.#list();
  }

  /**
   * Waits until all packs are durable, then lists those that no index object lists yet. May be called again.
   *
   * @throws the first failure to store or list a pack of this run, however long ago
   */
  async finish(): Promise<void> {
    await Promise.all(this.#uploads);
    this.throwIfFailed();
    await this.#list();
  }

  /** Removes the packs that were stored and not listed, after a failure that makes them worthless. */
  async discard(): Promise<void> {
    await Promise.all(this.#uploads);
    await this.#writing.catch(() => undefined);
    for (const { name } of this.#unlisted.splice(0)) await this.#repository.store.remove('data', name.toString('hex'));
  }

  /** Lists what was stored, after a failure or an interruption, so that the next run need not store it again. */
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
