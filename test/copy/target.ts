import { join } from 'node:path';
import { initRepository, openRepository } from '../../src/repository/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { Store } from '../../src/storage/store.js';
import { LATER } from '../backup/sandbox.js';
import { SMALL_CHUNKS } from '../prune/repository.js';

let number = 0;

/** Another repository in memory. */
export class Target {
  readonly store: Store = new MemoryStore();
  readonly opening: { unlock: { password: string }; cacheFolder: string; clock: () => number };

  private constructor(scratch: string) {
    const cacheFolder = join(scratch, `cache-of-target-${number++}`);
    this.opening = { unlock: { password: 'second' }, cacheFolder, clock: LATER };
  }

  /** @param scratch a folder, for its cache */
  static async create(scratch: string, cutLike?: Repository): Promise<Target> {
    const target = new Target(scratch);
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
    return names;
  }
}
