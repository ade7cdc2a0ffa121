import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PruneEvent, PruneOptions, PruneResult } from '../../src/prune/options.js';
import { prune } from '../../src/prune/prune.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import type { ObjectType, Store } from '../../src/storage/store.js';
import { Sandbox } from '../backup/sandbox.js';
import { Beneath } from '../servers/beneath.js';
import { openTestStore } from '../servers/test-place.js';
import { ClockedStore } from '../storage/clocked-store.js';

export const DAY = 24 * 3600;
export const PACK = 1024 * 1024;

export const SMALL_CHUNKS = { min: 4096, average: 16 * 1024, max: 64 * 1024 };

/** A repository, in memory unless the tests run over another store, with a clock that the test moves, and what each snapshot held. */
export class Prunable {
  readonly sandbox: Sandbox;
  readonly store: Store;
  readonly beneath: Beneath;
  /** By snapshot: a hash of all that is in it. */
  readonly contents = new Map<string, string>();
  now: number;

  private constructor(sandbox: Sandbox, beneath: Beneath, now: number) {
    this.sandbox = sandbox;
    this.store = sandbox.store;
    this.beneath = beneath;
    this.now = now;
  }

  static async create(directory: string, wrap: (store: Store) => Store = (store) => store): Promise<Prunable> {
    const clock = { now: Date.now() / 1000 };
    const place = join(directory, 'repository');
    const store = wrap(new ClockedStore(await openTestStore(place, 'memory'), () => clock.now));
    const sandbox = await Sandbox.create(directory, { store, data: SMALL_CHUNKS });
    const prunable = new Prunable(sandbox, await Beneath.open(place), clock.now);
    Object.defineProperty(prunable, 'now', {
      get: () => clock.now,
      set: (value: number) => {
        clock.now = value;
      },
    });
    return prunable;
  }

  /** Puts files of random bytes into the source. */
  write(names: readonly string[], bytes = 1_125_000): void {
    mkdirSync(this.sandbox.source, { recursive: true });
    for (const name of names) writeFileSync(join(this.sandbox.source, name), randomBytes(bytes));
  }

  remove(name: string): void {
    rmSync(join(this.sandbox.source, name), { force: true });
  }

  async backup(packTarget = PACK): Promise<string> {
    const { id, snapshot } = await this.sandbox.backup({ packTarget, parent: 'latest', threads: 1 });
    this.contents.set(id as string, await digest(await this.sandbox.open(), snapshot.root));
    return id as string;
  }

  async forget(id: string): Promise<void> {
    await this.store.remove('snapshots', id);
    this.contents.delete(id);
  }

  async prune(options: Partial<PruneOptions> = {}): Promise<PruneResult & { readonly events: PruneEvent[] }> {
    const events: PruneEvent[] = [];
    const result = await prune(await this.sandbox.open(), {
      maxUnused: { bytes: 0 },
      maxRepack: Number.POSITIVE_INFINITY,
      repackSmall: false,
      graceSeconds: DAY,
      dryRun: false,
      packTarget: PACK,
      onEvent: (event) => events.push(event),
      ...options,
    });
    return { ...result, events };
  }

  /** @throws unless every snapshot that is listed holds what it held */
  async verify(): Promise<void> {
    const repository = await this.sandbox.open();
    const { snapshots, failures } = await listSnapshots(repository);
    if (failures.length > 0) throw failures[0]?.error;
    for (const { id, snapshot } of snapshots) {
      const found = await digest(repository, snapshot.root);
      const expected = this.contents.get(id);
      if (expected !== undefined && expected !== found) throw new Error(`snapshot ${id} holds something else`);
    }
  }

  async names(type: ObjectType): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.store.list(type)) names.push(name);
    return names.sort();
  }

  async bytes(): Promise<number> {
    let sum = 0;
    for await (const { size } of this.store.list('data')) sum += size;
    return sum;
  }
}

type Root = Parameters<TreeReader['entries']>[0];

/** A hash of everything below a directory: names, and the bytes of files. */
export async function digest(repository: Repository, root: Root): Promise<string> {
  const trees = new TreeReader(await loadIndex(repository));
  const hash = createHash('sha256');
  const walk = async (content: Root, path: string): Promise<void> => {
    const entries = [];
    for await (const entry of trees.entries(content, path)) entries.push(entry.entry());
    for (const entry of entries) {
      const name = `${path}/${entry.name}`;
      hash.update(`${name}\0`);
      if (entry.type === 'directory' && entry.content !== undefined) await walk(entry.content, name);
      else if (entry.type === 'file') for await (const bytes of trees.file(entry, name)) hash.update(bytes);
    }
  };
  await walk(root, '');
  return hash.digest('hex');
}
