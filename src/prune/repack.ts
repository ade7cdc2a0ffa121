import { compressionParameters } from '../compression/policy.js';
import { exportKeys } from '../crypto/hierarchy.js';
import { recordForThread, recordFromThread } from '../format/pack-record.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { readPackDirectory } from '../repository/packs/pack-directory.js';
import { PACK_TARGET } from '../repository/packs/pack-writer.js';
import { uncached } from '../repository/repository.js';
import { openSharedSink, openSink, type PackSink } from '../repository/writing/pack-sink.js';
import { WorkerPool } from '../workers/pool.js';
import type { Note, Reply, Task, WorkerInit } from './messages.js';
import type { PruneOptions } from './options.js';
import { PackCopier } from './pack-copier.js';
import type { PackUse } from './plan.js';

const WORKER = new URL('./prune-worker.js', import.meta.url);
/** Without threads: packs on their way to the store while the next one is filled. */
const MOST_UNDER_WAY = 1;

/** Copies what is needed of old packs into new ones, stores these and lists them in the index. */
export class Repacker {
  /** Packs to copy at a time: each thread has one at work and one waiting. */
  readonly atMost: number;
  readonly #repository: IndexedRepository;
  readonly #copying: Copying;

  /**
   * @param needed for each blob of the index 1 when it is needed, in shared memory
   * @param threads 0 to copy in this thread, which is faster for few bytes
   */
  constructor(repository: IndexedRepository, needed: Uint8Array, limits: CopyLimits, threads: number) {
    this.#repository = repository;
    this.atMost = Math.max(1, threads * 2) + (repository.store.connections ?? 0);
    const {
      packTarget: target = PACK_TARGET,
      tolerated,
      repackUncompressed: recompress = false,
      compression = 'auto',
    } = limits;
    const work = { needed, compression: compressionParameters(compression), target, tolerated, recompress };
    this.#copying = threads === 0 ? copyHere(repository, work) : copyInThreads(repository, work, threads);
  }

  /** Whether something could not be stored: then all copies are void. */
  get failed(): boolean {
    return this.#copying.sink.failed;
  }

  /** Packs that were stored, and their bytes. */
  get written(): { readonly packs: number; readonly bytes: number } {
    const { stored, storedBytes } = this.#copying.sink;
    return { packs: stored.length, bytes: storedBytes };
  }

  /**
   * @param onlyIfSmaller copies the pack only when compression makes one of its frames smaller
   * @returns whether the pack was copied
   * @throws VarveError `damaged` when a needed blob of the pack cannot be read, or the index contradicts the pack
   */
  async copy({ name, number }: PackUse, onlyIfSmaller: boolean): Promise<boolean> {
    const repository = uncached(this.#repository);
    const { store } = repository;
    const path = store.filePath?.('data', name);
    const source = path ?? (await store.get('data', name));
    const { record } =
      typeof source === 'string'
        ? await readPackDirectory(repository, name, (await store.stat('data', name))?.size ?? 0)
        : await readPackDirectory(repository, name, source.length, source);
    const replies = await this.#run({ kind: 'copy', pack: number, record, source, onlyIfSmaller });
    return replies.some((reply) => reply.kind === 'copied');
  }

  /** Stores the packs that are not full, and lists all new packs once they are durable. */
  async finish(): Promise<void> {
    const { sink } = this.#copying;
    const replies = await this.#copying.run({ kind: 'flush' });
    sink.acceptParts(replies.flatMap((reply) => (reply.kind === 'partialPacks' ? reply.parts : [])));
    await sink.finish();
  }

  /** Removes the packs that were stored and are not listed yet. */
  discard(): Promise<void> {
    return this.#copying.sink.discard();
  }

  close(): Promise<void> {
    return this.#copying.close();
  }

  /** A failure to store a pack is reported rather than what followed from it. */
  async #run(task: Task): Promise<readonly Reply[]> {
    try {
      const replies = await this.#copying.run(task);
      this.#copying.sink.throwIfFailed();
      return replies;
    } catch (cause) {
      this.#copying.sink.throwIfFailed();
      throw cause;
    }
  }
}

type CopyLimits = Pick<PruneOptions, 'repackUncompressed' | 'compression' | 'packTarget'> & {
  /** Frames with less than this part of waste are copied whole. */
  readonly tolerated: number;
};
type Work = Omit<WorkerInit, 'keys' | 'identity' | 'index' | 'buffers' | 'parity'>;

/** Copies packs, in this thread or in others. */
interface Copying {
  readonly sink: PackSink;
  run(task: Task): Promise<readonly Reply[]>;
  close(): Promise<void>;
}

function copyHere(repository: IndexedRepository, work: Work): Copying {
  const { keys, index } = repository;
  const { sink, packs } = openSink(repository, work);
  const copier = new PackCopier({ ...work, keys, index, packs });
  const run = async (task: Task): Promise<readonly Reply[]> => {
    const reply = copier.perform(task);
    if (task.kind === 'copy') await sink.settle(MOST_UNDER_WAY);
    return [reply];
  };
  return { sink, run, close: async () => undefined };
}

function copyInThreads(repository: IndexedRepository, work: Work, threads: number): Copying {
  const { keys, identity, index, config } = repository;
  const { sink, buffers } = openSharedSink(repository, { ...work, threads });
  const init = {
    ...work,
    parity: config.parity,
    keys: exportKeys(keys),
    identity,
    index: index.shared,
    buffers: buffers.handle,
  };
  const pool = new WorkerPool<WorkerInit, Task, Reply, Note>(
    WORKER,
    threads,
    () => ({ data: init, transfer: [] }),
    (note) => sink.accept({ ...note, record: recordFromThread(note.record) }),
  );
  const run = async (task: Task): Promise<readonly Reply[]> => {
    if (task.kind === 'copy') return [await pool.run({ ...task, record: recordForThread(task.record) })];
    return (await pool.runOnEach(task)).map(replyFromThread);
  };
  const close = async (): Promise<void> => {
    buffers.abort();
    await pool.close();
  };
  return { sink, run, close };
}

function replyFromThread(reply: Reply): Reply {
  if (reply.kind !== 'partialPacks') return reply;
  return { ...reply, parts: reply.parts.map((part) => ({ ...part, record: recordFromThread(part.record) })) };
}
