import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { ContentRef } from '../../format/content.js';
import { type IndexedRepository, loadIndex } from '../../repository/index/index-store.js';
import { locateBlob, passOver } from '../../repository/reading/blob-reader.js';
import { TreeReader } from '../../repository/reading/tree-reader.js';
import { LruCache } from './lru-cache.js';

/** Bytes of verified tree blobs to cache. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** Milliseconds between two reads of the index because of missing packs. Without it, each read of a lost pack would read the index. */
const RELOAD_MS = 10_000;

/** The repository behind the mount, while other programs change it. */
export class LiveRepository {
  #current: IndexedRepository;
  #trees: TreeReader;
  /** Grows when numbers of blobs must be looked up again: with each new index, and when copies cannot be read. */
  generation = 0;
  readonly #cache = new LruCache<string, Buffer>({ maxWeight: CACHE_BYTES, weigh: ({ length }) => length });
  readonly #pending = new Map<string, Promise<Buffer>>();
  #reloading: Promise<void> | undefined;
  #reloaded = Number.NEGATIVE_INFINITY;
  readonly #onDamage: (error: VarveError) => void;

  /** @param onDamage called with index objects that cannot be read when the index is read again */
  constructor(repository: IndexedRepository, onDamage: (error: VarveError) => void) {
    this.#current = repository;
    this.#trees = new TreeReader(repository);
    this.#onDamage = onDamage;
  }

  get current(): IndexedRepository {
    return this.#current;
  }

  get trees(): TreeReader {
    return this.#trees;
  }

  /** Reads the index again, for new snapshots whose packs it lacks. */
  reload(): Promise<void> {
    this.#reloading ??= this.#load().finally(() => {
      this.#reloading = undefined;
    });
    return this.#reloading;
  }

  /**
   * Gives up copies of blobs that cannot be read.
   *
   * @param blobs their numbers in the current index
   * @returns whether there are others: then numbers must be looked up again
   */
  passOver(blobs: readonly number[], cause: unknown): boolean {
    const { index, badCopies } = this.#current;
    const others = blobs.filter((blob) => passOver(index, blob, cause, badCopies));
    if (others.length === 0) return false;
    this.generation++;
    return true;
  }

  /** Runs an action, and again with a new index when a pack is missing: a prune may have repacked it. */
  async retryWithNewIndex<Result>(action: () => Promise<Result>): Promise<Result> {
    try {
      return await action();
    } catch (cause) {
      const { code } = VarveError.from(cause);
      if (code !== 'not-found' || Date.now() - this.#reloaded < RELOAD_MS) throw cause;
      await this.reload();
      return action();
    }
  }

  /** A cached tree blob, without waiting. */
  cachedBlob(id: Buffer, at: number): Buffer | undefined {
    return this.#cache.get(id.toString('latin1', at, at + 32));
  }

  /** A tree blob, as a buffer that stays valid. @param at offset of its id in `ids` */
  blob(ids: Buffer, at: number): Promise<Buffer> {
    const id = Buffer.from(ids.subarray(at, at + 32));
    const name = id.toString('latin1');
    let pending = this.#pending.get(name);
    if (pending === undefined) {
      pending = this.retryWithNewIndex(async () => this.#addCopy(name, await this.#trees.blob(id)));
      this.#pending.set(name, pending);
      const done = (): void => void this.#pending.delete(name);
      pending.then(done, done);
    }
    return pending;
  }

  /** The ids of a stream's blobs and the offsets at which they begin. The last offset is the stream's length. */
  async blobsOf(content: ContentRef): Promise<{ ids: Buffer; starts: Float64Array }> {
    const ids = content.depth === 0 ? content.ids : await this.retryWithNewIndex(() => this.#trees.ids(content));
    const count = ids.length / 32;
    const starts = new Float64Array(count + 1);
    for (let number = 0; number < count; number++) {
      const id = ids.subarray(number * 32, number * 32 + 32);
      starts[number + 1] = (starts[number] as number) + locateBlob(this.#current.index, id, 2).length;
    }
    return { ids, starts };
  }

  async #load(): Promise<void> {
    const index = await loadIndex(this.#current, { onDamage: this.#onDamage });
    this.#current = index;
    this.#trees = new TreeReader(index);
    this.generation++;
    this.#reloaded = Date.now();
  }

  /** Caches a copy, because the blob is a view of a whole frame. */
  #addCopy(name: string, blob: Buffer): Buffer {
    const own = Buffer.allocUnsafeSlow(blob.length);
    own.set(blob);
    this.#cache.set(name, own);
    return own;
  }
}
