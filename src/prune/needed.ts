import { VarveError } from '../errors/errors.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import { type IndexedRepository, loadIndex } from '../repository/index/index-store.js';
import { Reachable } from '../repository/reading/reachable.js';
import type { Repository } from '../repository/repository.js';
import { listSnapshots } from '../repository/snapshots/snapshots.js';
import type { PruneOptions } from './options.js';

const LISTED_TWICE = 2;

/** The blobs that the snapshots of a repository need. */
export class NeededBlobs {
  readonly #options: Pick<PruneOptions, 'signal' | 'onEvent' | 'without'>;
  readonly #snapshots = new Set<string>();
  readonly #rejected = new Map<string, Set<number>>();
  #reachable: Reachable | undefined;

  constructor(options: Pick<PruneOptions, 'signal' | 'onEvent' | 'without'>) {
    this.#options = options;
  }

  /** @param blob a number in the index that `renew` returned last */
  has(blob: number): boolean {
    return this.#reachable?.has(blob) === true;
  }

  /**
   * Gives up copies of blobs, for good: other copies are needed in their place.
   *
   * @param blobs numbers in the index that `renew` returned last
   * @returns those of which no copy can be used
   */
  giveUp({ index }: IndexedRepository, blobs: Iterable<number>): readonly number[] {
    for (const blob of blobs) {
      index.reject(blob);
      const pack = index.packOf(index.locateFrame(blob));
      const name = index.packName(pack);
      const rejected = this.#rejected.get(name) ?? new Set();
      this.#rejected.set(name, rejected.add(blob - index.blobsOf(pack).first));
    }
    return this.#reachable?.settle() ?? [];
  }

  /** Rejects in a new index the copies that were given up. */
  #rejectAgain(index: BlobIndex): void {
    for (let pack = 0; this.#rejected.size > 0 && pack < index.packCount; pack++) {
      const { first, end } = index.blobsOf(pack);
      for (const at of this.#rejected.get(index.packName(pack)) ?? []) if (first + at < end) index.reject(first + at);
    }
  }

  /** In shared memory, one byte for each blob of the index that `renew` returned last: 1 when the blob is needed. */
  get bits(): Uint8Array {
    return this.#reachable?.needed ?? new Uint8Array();
  }

  /**
   * Walks the snapshots that it has not seen yet. Snapshots that were forgotten since still count. It loads the index after it has listed the
   * snapshots, so the index has all that they need.
   *
   * @throws VarveError `damaged` when a snapshot is damaged, or something that it needs is not in the index; why a snapshot cannot be read
   */
  async renew(repository: Repository): Promise<IndexedRepository> {
    const { snapshots, failures } = await listSnapshots(repository, LISTED_TWICE);
    const [failure] = failures;
    if (failure !== undefined) {
      const { code, message, retryable } = failure.error;
      const explained = `a snapshot cannot be read, so what it needs is not known: ${message}; nothing is removed`;
      throw new VarveError(code, explained, { cause: failure.error, retryable });
    }
    const indexed = await loadIndex(repository);
    this.#rejectAgain(indexed.index);
    const reachable = new Reachable(indexed, this.#options.signal, this.#reachable);
    const fresh = snapshots.filter(({ id }) => !this.#snapshots.has(id) && this.#options.without?.has(id) !== true);
    const roots = fresh.map(({ snapshot }) => snapshot.root);
    try {
      await reachable.add(roots, (directories) =>
        this.#options.onEvent?.({ kind: 'walked', directories, snapshots: fresh.length }),
      );
    } catch (cause) {
      throw withAdvice(cause);
    }
    reachable.settle();
    for (const { id } of fresh) this.#snapshots.add(id);
    this.#reachable = reachable;
    return indexed;
  }
}

function withAdvice(cause: unknown): unknown {
  if (!(cause instanceof VarveError) || cause.code !== 'damaged' || cause.message.includes('`varve ')) return cause;
  const advice =
    'nothing is removed, as what this needs is not known; `varve repair snapshots` makes snapshots without it';
  return new VarveError('damaged', `${cause.message}; ${advice}`, { cause });
}
