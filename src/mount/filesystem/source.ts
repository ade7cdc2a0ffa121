import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { ContentRef } from '../../format/content.js';
import { type IndexedRepository, loadIndex } from '../../repository/index/index-store.js';
import { locateBlob } from '../../repository/reading/blob-reader.js';
import { TreeReader } from '../../repository/reading/tree-reader.js';

/** Bytes of blobs of trees that are kept, verified. */
const KEPT = 8 * 1024 * 1024;
/** Milliseconds between two readings of the index for packs that are gone: when they are truly lost, each file would ask for one. */
const RELOAD_MS = 10_000;

/** The repository that is mounted, which others change meanwhile. */
export class Source {
  #repository: IndexedRepository;
  #trees: TreeReader;
  /** Grows when the index is another: numbers of blobs are others then. */
  generation = 0;
  readonly #kept = new Map<string, Buffer>();
  #keptBytes = 0;
  readonly #coming = new Map<string, Promise<Buffer>>();
  #reloading: Promise<void> | undefined;
  #reloaded = Number.NEGATIVE_INFINITY;
  readonly #onDamage: (error: VarveError) => void;

  /** @param onDamage is told of objects of the index that cannot be read, when it is read anew */
  constructor(repository: IndexedRepository, onDamage: (error: VarveError) => void) {
    this.#repository = repository;
    this.#trees = new TreeReader(repository);
    this.#onDamage = onDamage;
  }

  get repository(): IndexedRepository {
    return this.#repository;
  }

  get trees(): TreeReader {
    return this.#trees;
  }

  /** Reads the index anew: a snapshot has come, whose packs it does not know. */
  reload(): Promise<void> {
    this.#reloading ??= this.#load().finally(() => {
      this.#reloading = undefined;
    });
    return this.#reloading;
  }

  /**
   * Does something, and once more with a new index when a pack is not there any more: a prune of another machine may have put what was in it elsewhere.
   */
  async retried<Result>(action: () => Promise<Result>): Promise<Result> {
    try {
      return await action();
    } catch (cause) {
      const { code } = VarveError.from(cause);
      if (code !== 'not-found' || Date.now() - this.#reloaded < RELOAD_MS) throw cause;
      await this.reload();
      return action();
    }
  }

  /** A tree's blob that is kept, so that it can be had without waiting. */
  keptBlob(id: Buffer, at: number): Buffer | undefined {
    const name = id.toString('latin1', at, at + 32);
    const blob = this.#kept.get(name);
    if (blob !== undefined) {
      this.#kept.delete(name);
      this.#kept.set(name, blob);
    }
    return blob;
  }

  /** A tree's blob, in memory that stays as it is. @param at where in `ids` its id begins */
  blob(ids: Buffer, at: number): Promise<Buffer> {
    const id = Buffer.from(ids.subarray(at, at + 32));
    const name = id.toString('latin1');
    let coming = this.#coming.get(name);
    if (coming === undefined) {
      coming = this.retried(async () => this.#keep(name, await this.#trees.blob(id)));
      this.#coming.set(name, coming);
      const done = (): void => void this.#coming.delete(name);
      coming.then(done, done);
    }
    return coming;
  }

  /** The ids of a stream's blobs, and where in the stream each begins; at the end the stream's length. */
  async blobsOf(content: ContentRef): Promise<{ ids: Buffer; starts: Float64Array }> {
    const ids = content.depth === 0 ? content.ids : await this.retried(() => this.#trees.ids(content));
    const count = ids.length / 32;
    const starts = new Float64Array(count + 1);
    for (let number = 0; number < count; number++) {
      const id = ids.subarray(number * 32, number * 32 + 32);
      starts[number + 1] = (starts[number] as number) + locateBlob(this.#repository.index, id, 2).length;
    }
    return { ids, starts };
  }

  async #load(): Promise<void> {
    const index = await loadIndex(this.#repository, { onDamage: this.#onDamage });
    this.#repository = index;
    this.#trees = new TreeReader(index);
    this.generation++;
    this.#reloaded = Date.now();
  }

  /** A copy: the blob itself is a part of a whole frame, which would be kept with it. */
  #keep(name: string, blob: Buffer): Buffer {
    const own = Buffer.allocUnsafeSlow(blob.length);
    own.set(blob);
    this.#kept.set(name, own);
    this.#keptBytes += own.length;
    for (const [oldest, bytes] of this.#kept) {
      if (this.#keptBytes <= KEPT || oldest === name) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= bytes.length;
    }
    return own;
  }
}
