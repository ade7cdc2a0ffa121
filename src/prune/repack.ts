import { compressionParameters } from '../compression/policy.js';
import { exportKeys } from '../crypto/hierarchy.js';
import { recordForThread, recordFromThread } from '../format/pack-record.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { PackBuffers } from '../repository/packs/pack-buffers.js';
import { readPackRecord } from '../repository/packs/pack-directory.js';
import { mergeParts } from '../repository/packs/pack-merge.js';
import { type PackPart, packCapacity } from '../repository/packs/pack-writer.js';
import { uncached } from '../repository/repository.js';
import { PackUploader } from '../repository/writing/uploader.js';
import { WorkerPool } from '../workers/pool.js';
import { SharedBuffers } from '../workers/shared-buffers.js';
import type { Note, PackToCopy, Reply, Task, WorkerInit } from './messages.js';
import type { PruneOptions } from './options.js';
import { PackCopier, type PackCopierOptions } from './pack-copier.js';
import type { PackUse } from './plan.js';

const WORKER = new URL('./prune-worker.js', import.meta.url);
/** Packs that are being stored while the next is put together, without threads. */
const MOST_UNDER_WAY = 1;

/** Copies what is needed of old packs into new ones, which are stored and listed. */
export class Repacker {
  /** Packs that it is worth to copy at a time: each thread has one at work and one waiting. */
  readonly atMost: number;
  readonly #repository: IndexedRepository;
  readonly #copiers: Copiers;

  /**
   * @param needed for each blob of the index 1 when it is needed, in shared memory
   * @param threads 0 to do it here: for little that is faster
   */
  constructor(repository: IndexedRepository, needed: Uint8Array, limits: CopyLimits, threads: number) {
    this.#repository = repository;
    this.atMost = Math.max(1, threads * 2) + (repository.store.connections ?? 0);
    const { data, tree, parity } = repository.config;
    const capacity = packCapacity(limits.packTarget, Math.max(data.max, tree.max), parity);
    const { packTarget, tolerated, repackUncompressed: recompress = false, compression = 'auto' } = limits;
    const parameters = compressionParameters(compression);
    const work = { needed, compression: parameters, packTarget, parity, tolerated, recompress };
    this.#copiers =
      threads === 0 ? new OwnThread(repository, work, capacity) : new Threads(repository, work, capacity, threads);
  }

  /** Whether something could not be stored: then no copy is worth anything. */
  get failed(): boolean {
    return this.#copiers.uploader.failed;
  }

  /** Packs that were stored. */
  get written(): { readonly packs: number; readonly bytes: number } {
    const { stored, storedBytes } = this.#copiers.uploader;
    return { packs: stored.length, bytes: storedBytes };
  }

  /**
   * @param onlyIfSmaller only when a frame gets smaller by being compressed
   * @returns whether the pack was copied
   * @throws VarveError `damaged` when something that is needed of the pack cannot be read, or the index says otherwise of it
   */
  async copy({ name, number }: PackUse, onlyIfSmaller: boolean): Promise<boolean> {
    const repository = uncached(this.#repository);
    const { store } = repository;
    const path = store.filePath?.('data', name);
    const source = path ?? (await store.get('data', name));
    const record =
      typeof source === 'string'
        ? await readPackRecord(repository, name, (await store.stat('data', name))?.size ?? 0)
        : await readPackRecord(repository, name, source.length, source);
    return this.#copiers.copy({ kind: 'copy', pack: number, record, source, onlyIfSmaller });
  }

  /** Stores what is not full yet, and lists all that was stored, once it is durable. */
  async finish(): Promise<void> {
    const parts = await this.#copiers.rest();
    const { uploader, memory } = this.#copiers;
    const bytes = (buffer: number): Uint8Array => memory.bytes(buffer);
    const { keys, config } = this.#repository;
    const merged = mergeParts(keys, parts, bytes, (buffer) => memory.release(buffer), config.parity);
    for (const pack of merged) uploader.accept(pack);
    await uploader.finish();
  }

  /** Removes what was stored and not listed yet: nobody knows of it. */
  discard(): Promise<void> {
    return this.#copiers.uploader.discard();
  }

  close(): Promise<void> {
    return this.#copiers.close();
  }
}

type CopyLimits = Pick<PackCopierOptions, 'packTarget' | 'tolerated'> &
  Pick<PruneOptions, 'repackUncompressed' | 'compression'>;
type Work = Omit<PackCopierOptions, 'keys' | 'index' | 'space' | 'emit'>;

/** Who copies. */
interface Copiers {
  readonly uploader: PackUploader;
  readonly memory: SharedBuffers | PackBuffers;
  copy(pack: PackToCopy): Promise<boolean>;
  rest(): Promise<readonly PackPart[]>;
  close(): Promise<void>;
}

class OwnThread implements Copiers {
  readonly uploader: PackUploader;
  readonly memory: PackBuffers;
  readonly #copier: PackCopier;
  #failure: { readonly cause: unknown } | undefined;

  constructor(repository: IndexedRepository, work: Work, capacity: number) {
    const { keys, index } = repository;
    this.memory = new PackBuffers(capacity);
    this.uploader = new PackUploader(repository, this.memory, (cause) => {
      this.#failure ??= { cause };
    });
    const emit: PackCopierOptions['emit'] = (pack) => this.uploader.accept(pack);
    this.#copier = new PackCopier({ ...work, keys, index, space: this.memory, emit });
  }

  async copy(pack: PackToCopy): Promise<boolean> {
    const copied = this.#copier.copy(pack);
    while (this.uploader.underWay > MOST_UNDER_WAY) await this.uploader.next();
    if (this.#failure !== undefined) throw this.#failure.cause;
    return copied;
  }

  async rest(): Promise<readonly PackPart[]> {
    return this.#copier.rest();
  }

  async close(): Promise<void> {}
}

class Threads implements Copiers {
  readonly uploader: PackUploader;
  readonly memory: SharedBuffers;
  readonly #pool: WorkerPool<WorkerInit, Task, Reply, Note>;
  #failure: { readonly cause: unknown } | undefined;

  constructor(repository: IndexedRepository, work: Work, capacity: number, threads: number) {
    const { keys, index } = repository;
    // Each thread holds a pack of data and one of trees; others are on their way to the store.
    this.memory = SharedBuffers.create(2 * threads + (repository.store.connections ?? 1), capacity);
    this.uploader = new PackUploader(repository, this.memory, (cause) => {
      this.#failure ??= { cause };
      this.memory.abort();
    });
    const init = { ...work, keys: exportKeys(keys), index: index.shared, buffers: this.memory.handle };
    this.#pool = new WorkerPool(
      WORKER,
      threads,
      () => ({ data: init, transfer: [] }),
      (note) => this.uploader.accept({ ...note, record: recordFromThread(note.record) }),
    );
  }

  async copy(pack: PackToCopy): Promise<boolean> {
    const reply = this.#pool.run({ ...pack, record: recordForThread(pack.record) });
    const { copied } = await reply.catch((cause) => {
      throw this.#failure === undefined ? cause : this.#failure.cause;
    });
    if (this.#failure !== undefined) throw this.#failure.cause;
    return copied;
  }

  async rest(): Promise<readonly PackPart[]> {
    const replies = await this.#pool.runOnEach({ kind: 'flush' });
    return replies.flatMap(({ parts }) => parts.map((part) => ({ ...part, record: recordFromThread(part.record) })));
  }

  async close(): Promise<void> {
    this.memory.abort();
    await this.#pool.close();
  }
}
