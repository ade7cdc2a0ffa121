import { compressionParameters } from '../compression/policy.js';
import { exportKeys } from '../crypto/hierarchy.js';
import { recordForThread, recordFromThread } from '../format/pack-record.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { readPackRecord } from '../repository/packs/pack-directory.js';
import type { PackPart } from '../repository/packs/pack-writer.js';
import { uncached } from '../repository/repository.js';
import { openSharedSink, openSink, type PackSink } from '../repository/writing/pack-sink.js';
import { WorkerPool } from '../workers/pool.js';
import type { SharedBuffers } from '../workers/shared-buffers.js';
import type { Note, PackToCopy, Reply, Task, WorkerInit } from './messages.js';
import type { PruneOptions } from './options.js';
import { PackCopier } from './pack-copier.js';
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
    const { packTarget: target, tolerated, repackUncompressed: recompress = false, compression = 'auto' } = limits;
    const work = { needed, compression: compressionParameters(compression), target, tolerated, recompress };
    this.#copiers = threads === 0 ? new OwnThread(repository, work) : new Threads(repository, work, threads);
  }

  /** Whether something could not be stored: then no copy is worth anything. */
  get failed(): boolean {
    return this.#copiers.sink.failed;
  }

  /** Packs that were stored. */
  get written(): { readonly packs: number; readonly bytes: number } {
    const { stored, storedBytes } = this.#copiers.sink;
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
    this.#copiers.sink.acceptParts(await this.#copiers.rest());
    await this.#copiers.sink.finish();
  }

  /** Removes what was stored and not listed yet: nobody knows of it. */
  discard(): Promise<void> {
    return this.#copiers.sink.discard();
  }

  close(): Promise<void> {
    return this.#copiers.close();
  }
}

type CopyLimits = Pick<PruneOptions, 'repackUncompressed' | 'compression'> & {
  /** Bytes at which a pack is closed. */
  readonly packTarget: number;
  readonly tolerated: number;
};
type Work = Omit<WorkerInit, 'keys' | 'index' | 'buffers' | 'parity'>;

/** Copies packs, in this thread or in others. */
interface Copiers {
  readonly sink: PackSink;
  copy(pack: PackToCopy): Promise<boolean>;
  rest(): Promise<readonly PackPart[]>;
  close(): Promise<void>;
}

class OwnThread implements Copiers {
  readonly sink: PackSink;
  readonly #copier: PackCopier;

  constructor(repository: IndexedRepository, work: Work) {
    const { keys, index } = repository;
    const { sink, packs } = openSink(repository, work);
    this.sink = sink;
    this.#copier = new PackCopier({ ...work, keys, index, packs });
  }

  async copy(pack: PackToCopy): Promise<boolean> {
    const copied = this.#copier.copy(pack);
    await this.sink.settle(MOST_UNDER_WAY);
    return copied;
  }

  async rest(): Promise<readonly PackPart[]> {
    return this.#copier.rest();
  }

  async close(): Promise<void> {}
}

class Threads implements Copiers {
  readonly sink: PackSink;
  readonly #buffers: SharedBuffers;
  readonly #pool: WorkerPool<WorkerInit, Task, Reply, Note>;

  constructor(repository: IndexedRepository, work: Work, threads: number) {
    const { keys, index, config } = repository;
    const { sink, buffers } = openSharedSink(repository, { ...work, threads });
    this.sink = sink;
    this.#buffers = buffers;
    const { parity } = config;
    const init = { ...work, parity, keys: exportKeys(keys), index: index.shared, buffers: buffers.handle };
    this.#pool = new WorkerPool(
      WORKER,
      threads,
      () => ({ data: init, transfer: [] }),
      (note) => sink.accept({ ...note, record: recordFromThread(note.record) }),
    );
  }

  async copy(pack: PackToCopy): Promise<boolean> {
    const reply = this.#pool.run({ ...pack, record: recordForThread(pack.record) });
    const { copied } = await reply.catch((cause) => {
      this.sink.throwIfFailed();
      throw cause;
    });
    this.sink.throwIfFailed();
    return copied;
  }

  async rest(): Promise<readonly PackPart[]> {
    const replies = await this.#pool.runOnEach({ kind: 'flush' });
    return replies.flatMap(({ parts }) => parts.map((part) => ({ ...part, record: recordFromThread(part.record) })));
  }

  async close(): Promise<void> {
    this.#buffers.abort();
    await this.#pool.close();
  }
}
