import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { backup } from '../../src/backup/backup.js';
import type { BackupEvent, BackupOptions, BackupResult } from '../../src/backup/options.js';
import type { Role } from '../../src/crypto/hierarchy.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import type { Sizes } from '../../src/format/config.js';
import type { ContentRef } from '../../src/format/content.js';
import { type IndexedRepository, loadIndex } from '../../src/repository/index/index-store.js';
import { addKeySlot } from '../../src/repository/keys/key-slots.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import type { RestoreEvent, RestoreOptions, RestoreProgress } from '../../src/restore/options.js';
import { restore } from '../../src/restore/restore.js';
import type { Store } from '../../src/storage/store.js';
import { openTestStore } from '../servers/test-place.js';
import { WHOLE } from '../whole.js';

export const PASSWORD = 'pebble';
/** A thread costs a seventh of a second to start. What depends on their number asks for it. */
const THREADS = WHOLE ? 2 : 1;
/** Later than any file's times by more than the grain in which they are told apart, so that unchanged files are seen as such. */
export const LATER = (): number => Date.now() + 10_000;

/** Other tests write to /tmp all the time. Hardly any program writes to this directory. */
export const QUIET = '/var/tmp';

/** A directory of its own for a suite, gone when that ends. */
export function scratchDirectory(parent = tmpdir()): string {
  const path = mkdtempSync(join(parent, 'varve-test-'));
  // Unlike rmSync, rm removes paths that are too long for the kernel.
  after(() => spawnSync('rm', ['-rf', path]));
  return path;
}

/**
 * What an action gives when nobody else has changed a directory above the path meanwhile. Those directories belong to a snapshot, and
 * other tests write into /tmp; so the action is repeated until that is so.
 */
export async function undisturbed<T>(path: string, action: () => Promise<T>): Promise<T> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const before = timesAbove(path);
    const result = await action();
    if (timesAbove(path) === before) return result;
  }
  throw new Error(`the folders above ${path} never stayed as they were`);
}

function timesAbove(path: string): string {
  const parent = dirname(path);
  const { ctimeNs } = lstatSync(parent, { bigint: true });
  return parent === path ? '' : `${ctimeNs} ${timesAbove(parent)}`;
}

export type Changes = Partial<Omit<BackupOptions, 'parent'>> & {
  readonly parent?: StoredSnapshot | 'latest' | undefined;
};

/** A repository with a directory to back up, and what a user does with them. */
export class Sandbox {
  readonly directory: string;
  readonly source: string;
  readonly store: Store;
  readonly #cache: string;
  #restores = 0;

  private constructor(directory: string, store: Store) {
    this.directory = directory;
    this.store = store;
    this.source = join(directory, 'source');
    this.#cache = join(directory, 'cache');
    mkdirSync(this.source, { recursive: true });
  }

  static async create(
    directory: string,
    options: { readonly store?: Store; readonly data?: Sizes; readonly parity?: number } = {},
  ): Promise<Sandbox> {
    mkdirSync(directory, { recursive: true });
    const { store = await openTestStore(join(directory, 'repository')), data, parity } = options;
    const sandbox = new Sandbox(directory, store);
    await initRepository(store, {
      ...sandbox.#opening,
      user: 'anna',
      host: 'test',
      logN: 10,
      parity,
      ...(data && { data }),
    });
    return sandbox;
  }

  get #opening() {
    return { unlock: { password: PASSWORD }, cacheDirectory: this.#cache, clock: LATER };
  }

  open(): Promise<Repository> {
    return openRepository(this.store, this.#opening);
  }

  /** Adds a key whose password is quick to derive. */
  async addKey(role: Role, password: string): Promise<void> {
    await addKeySlot(await this.open(), {
      role,
      unlock: { password },
      user: 'robot',
      host: 'client',
      hosts: 'any',
      logN: 10,
    });
  }

  async indexed(): Promise<IndexedRepository> {
    return loadIndex(await this.open());
  }

  async snapshots(): Promise<readonly StoredSnapshot[]> {
    return (await listSnapshots(await this.open())).snapshots;
  }

  /** Backs up the source directory, or what the changes say. */
  async backup(
    changes: Changes = {},
    repository?: IndexedRepository,
  ): Promise<BackupResult & { readonly events: BackupEvent[] }> {
    const events: BackupEvent[] = [];
    const parent = changes.parent === 'latest' ? (await this.snapshots()).at(-1) : changes.parent;
    const result = await backup(repository ?? (await this.indexed()), {
      sources: [Buffer.from(this.source)],
      directory: Buffer.from(this.directory),
      host: 'test',
      user: 'anna',
      uid: 0,
      gid: 0,
      tags: [],
      filter: NO_FILTER,
      program: 'varve test',
      compression: 'auto',
      threads: THREADS,
      ...changes,
      parent,
      onEvent: (event) => {
        events.push(event);
        changes.onEvent?.(event);
      },
    });
    return { ...result, events };
  }

  /** The source directory as a snapshot has it. */
  async sourceIn(root: ContentRef, path = this.source, repository?: IndexedRepository): Promise<ContentRef> {
    return new TreeReader(repository ?? (await this.indexed())).directory(root, components(path));
  }

  /** Restores a directory of a snapshot to a new place, or to the target given. */
  async restore(
    root: ContentRef,
    changes: Partial<RestoreOptions> = {},
  ): Promise<{ target: string; progress: RestoreProgress; events: RestoreEvent[] }> {
    const events: RestoreEvent[] = [];
    const target = changes.target ?? join(this.directory, `restored-${this.#restores++}`);
    const progress = await restore(await this.indexed(), {
      root,
      target,
      setOwner: process.getuid?.() === 0,
      threads: THREADS,
      ...changes,
      onEvent: (event) => {
        events.push(event);
        changes.onEvent?.(event);
      },
    });
    return { target, progress, events };
  }

  /** Restores the source directory of a snapshot. */
  async restoreSource(root: ContentRef, changes: Partial<RestoreOptions> = {}): ReturnType<Sandbox['restore']> {
    return this.restore(await this.sourceIn(root), changes);
  }
}

export function components(path: string): Buffer[] {
  return path
    .split('/')
    .filter(Boolean)
    .map((name) => Buffer.from(name));
}
