import { Buffer } from 'node:buffer';
import { toHex } from '../bytes/hex.js';
import { VarveError } from '../errors/errors.js';
import { condemnations, type IndexedRepository, packsOf, writeIndex } from '../repository/index/index-store.js';
import { describeLease, isExclusive, otherLeases } from '../repository/leases/exclusive.js';
import { listLeases } from '../repository/leases/leases.js';
import type { Repository } from '../repository/repository.js';
import type { ObjectInfo } from '../storage/store.js';
import { timeFromMillis } from '../time/time.js';
import { KeptCopies } from './kept-copies.js';
import { NeededBlobs } from './needed.js';
import type { PruneOptions } from './options.js';
import { findOrphans } from './orphans.js';
import { usesOf } from './plan.js';
import { judge } from './remove.js';

type Options = Pick<PruneOptions, 'graceSeconds' | 'signal' | 'without' | 'recoverNoFreeSpace'>;

/** Frees space step by step, without writing, for a prune that has no space for its first object. */
export class SpaceMaker {
  readonly #repository: Repository;
  readonly #options: Options;
  readonly #own: Buffer | undefined;
  #steps: AsyncGenerator<void> | undefined;
  /** Whether condemned packs stay because of the grace time. */
  #someWait = false;

  /** @param own the id of this prune's lease, if it could be written */
  constructor(repository: Repository, options: Options, own?: Buffer) {
    this.#repository = repository;
    this.#options = options;
    this.#own = own;
  }

  /** Tries a write again after each step that freed space. @throws VarveError `full`, with advice */
  async during<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await action();
      } catch (cause) {
        if (!(cause instanceof VarveError) || cause.code !== 'full') throw cause;
        this.#steps ??= this.#free();
        const { done } = await this.#steps.next();
        if (done === true) throw this.#nothingLeft(cause);
      }
    }
  }

  #nothingLeft(cause: VarveError): VarveError {
    const { recoverNoFreeSpace, graceSeconds } = this.#options;
    const id = toHex(this.#repository.keys.repository);
    const advice =
      recoverNoFreeSpace === true
        ? 'and there is nothing more to remove: free some space elsewhere on the disk'
        : this.#someWait && graceSeconds > 0
          ? 'run `varve prune --grace 0`, which needs none: packs wait to be deleted'
          : `free a little elsewhere on the disk; or, when nothing else uses the repository, run \`varve prune --unsafe-recover-no-free-space ${id}\``;
    return new VarveError('full', `prune has no space for its own objects (nothing is lost): ${advice}`, { cause });
  }

  /** Each step frees something. It reads leases first: what other commands may rely on stays. */
  async *#free(): AsyncGenerator<void> {
    const repository = this.#repository;
    const { store } = repository;
    const isUnsafe = this.#options.recoverNoFreeSpace === true;
    const leases = await otherLeases(repository, this.#own);
    const other = leases.find((each) => isUnsafe || isExclusive(each));
    if (other !== undefined)
      throw new VarveError('locked', `there is ${describeLease(other)}: wait for it, or run this again later`);
    for (const { name, stale } of await listLeases(repository)) {
      if (!stale) continue;
      await store.remove('locks', name);
      yield;
    }
    const stored = new Map<string, ObjectInfo>();
    for await (const info of store.list('data')) stored.set(info.name, info);
    const needed = new NeededBlobs(this.#options);
    const indexed = await needed.renew(repository);
    new KeptCopies(needed, this.#options).giveUpMissing(indexed, stored);
    for (const name of indexed.replaced) {
      await store.remove('index', name);
      yield;
    }
    const names = new Set(stored.keys());
    const { gone, waiting } = judge(indexed, needed, leases, names, await store.now(), this.#options.graceSeconds);
    this.#someWait = waiting.length > 0;
    // A backup that wakes from sleep notices only condemned packs. So no other pack is deleted while a backup may sleep.
    const orphans = isUnsafe ? await findOrphans(indexed, stored, this.#own, this.#options.graceSeconds) : [];
    for (const name of [...gone, ...orphans]) {
      await store.remove('data', name);
      yield;
    }
    if (isUnsafe) yield* this.#removeUnneeded(indexed, needed, stored);
  }

  /**
   * Removes unneeded packs from an index object, which makes it smaller, and deletes them. There is no space for both index objects, so the old one
   * is deleted first. If prune ends between the two, `repair index` rebuilds the index from the packs.
   */
  async *#removeUnneeded(
    indexed: IndexedRepository,
    needed: NeededBlobs,
    stored: ReadonlyMap<string, ObjectInfo>,
  ): AsyncGenerator<void> {
    const { store } = indexed;
    const condemned = condemnations(indexed);
    const unneeded = new Set(
      // Copies of needed blobs stay: there is no time to find out whether the others are sound.
      usesOf(indexed, needed).flatMap(({ name, neededBlobs, duplicates }) =>
        neededBlobs + duplicates === 0 && stored.has(name) && !condemned.has(name) ? [name] : [],
      ),
    );
    for (const object of indexed.objects) {
      const victims = object.packs.filter((name) => unneeded.has(name));
      if (victims.length === 0 || object.condemned.size > 0) continue;
      const packs = await packsOf(indexed, object.name);
      const left = packs.filter(({ name }) => !unneeded.has(name.toString('hex')));
      const time = timeFromMillis((await store.now()) * 1000);
      await store.remove('index', object.name);
      await writeIndex(indexed, left, {
        replaces: [Buffer.from(object.name, 'hex')],
        condemned: victims.map((name) => ({ pack: Buffer.from(name, 'hex'), time })),
      }).catch((cause) => {
        const message = `index/${object.name} had to go first, and there is no space to write it again: free some space, then run \`varve repair index\`; no pack is lost`;
        throw new VarveError('storage', message, { cause });
      });
      for (const name of victims) await store.remove('data', name);
      yield;
    }
  }
}
