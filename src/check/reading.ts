// Reads objects in worker threads for a check.
// object-reader.ts is the worker's side.
import { VarveError } from '../errors/errors.js';
import { type ObjectType, objectPath, type Store } from '../storage/store.js';
import { defaultThreads, startThreads, WorkerPool } from '../workers/pool.js';
import { transferable } from '../workers/transfer.js';
import type { ObjectRead, Reply, Task, WorkerInit } from './messages.js';

const WORKER = new URL('./check-worker.js', import.meta.url);

/** Starts the threads of the coming reads while the repository is being opened. */
export function prewarm(threads = defaultThreads()): void {
  startThreads(WORKER, threads);
}

/** Reads objects whole in worker threads, from their files if the store has files. */
export class Reading {
  /** Objects to read at a time: each thread has one at work and one waiting, and the store is sending others. */
  readonly atMost: number;
  readonly #store: Store;
  readonly #pool: WorkerPool<WorkerInit, Task, Reply>;

  constructor(store: Store, init: WorkerInit, threads = defaultThreads()) {
    this.#store = store;
    this.atMost = threads * 2 + (store.connections ?? 0);
    this.#pool = new WorkerPool(WORKER, threads, () => ({ data: init, transfer: [] }));
  }

  /**
   * @param pack number of the pack whose frames are to be opened
   * @param contentsLength bytes before the pack's directory, to be hashed by themselves too
   * @throws VarveError `not-found`, `storage` or `damaged` when it cannot be read
   */
  async read(type: ObjectType, name: string, pack?: number, contentsLength?: number): Promise<ObjectRead> {
    const path = this.#store.filePath?.(type, name);
    const source = path ?? (await this.#store.get(type, name));
    const task = { object: objectPath(type, name), source, pack, contentsLength };
    const reply = await this.#pool.run(task, typeof source === 'string' ? [] : transferable(source));
    if (reply.kind === 'failed') throw VarveError.fromJSON(reply.error);
    return reply;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
