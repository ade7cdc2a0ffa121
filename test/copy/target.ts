import { join } from 'node:path';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import type { Store } from '../../src/storage/store.js';
import { LATER } from '../backup/sandbox.js';
import { SMALL_CHUNKS } from '../prune/repository.js';
import { openTestStore } from '../servers/test-place.js';

let number = 0;

/** A second repository, in memory unless the tests use another kind of store. */
export class Target {
  readonly store: Store;
  readonly opening: { unlock: { password: string }; cacheDirectory: string; clock: () => number };

  private constructor(store: Store, cacheDirectory: string) {
    this.store = store;
    this.opening = { unlock: { password: 'second' }, cacheDirectory, clock: LATER };
  }

  /** @param scratch directory for its files */
  static async create(scratch: string, cutLike?: Repository): Promise<Target> {
    const directory = join(scratch, `target-${number++}`);
    const store = await openTestStore(join(directory, 'repository'), 'memory');
    const target = new Target(store, join(directory, 'cache'));
    const data = SMALL_CHUNKS;
    await initRepository(target.store, { ...target.opening, user: 'eva', host: 'b', logN: 10, data, cutLike });
    return target;
  }

  open(): Promise<Repository> {
    return openRepository(this.store, this.opening);
  }

  async snapshots(): Promise<readonly StoredSnapshot[]> {
    return (await listSnapshots(await this.open())).snapshots;
  }

  async objects(): Promise<string[]> {
    const names: string[] = [];
    for (const type of ['data', 'index', 'snapshots'] as const)
      for await (const { name } of this.store.list(type)) names.push(name);
    return names.sort();
  }
}
