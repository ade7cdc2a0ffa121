/** The files that each run begins with: a source, repositories with a history and a cache. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { backup } from '../../src/backup/backup.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { addKeySlot, listKeySlots } from '../../src/repository/keys/key-slots.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { treeImage } from '../backup/tree-image.js';
import { content } from '../kill/source.js';

export const PASSWORD = 'pebble';
export const KINDS = ['plain', 'parity'] as const;
export type Kind = (typeof KINDS)[number];

/** What a repository of the stage holds. */
export interface History {
  /** Oldest first. */
  readonly snapshots: readonly string[];
  /** The source as the newest of them has it. */
  readonly newest: readonly string[];
  /** A pack that snapshots need. */
  readonly pack: string;
  /** A key that nobody uses. */
  readonly spareKey: string;
  /** Its object in `keys/`, and that of the key in use. */
  readonly spareKeyObject: string;
  readonly ownKeyObject: string;
}

const IDENTITY = { user: 'anna', host: 'test' };
const CHUNKS = { min: 4096, average: 16 * 1024, max: 64 * 1024 };
const PACK_BYTES = 192 * 1024;
const PARITY_PERCENT = 20;
const VERSIONS = 4;
/** Seconds since 1970: before any snapshot, so that files that did not change are seen as such. */
const LONG_AGO = 1_600_000_000;

/** A run works in `run/`, which `templates/KIND/` is copied to. `source/` is only read. */
export class Stage {
  readonly directory: string;
  readonly source: string;
  readonly #histories = new Map<Kind, History>();

  private constructor(directory: string) {
    this.directory = directory;
    this.source = join(directory, 'source');
  }

  static async create(directory: string, kinds: readonly Kind[] = KINDS): Promise<Stage> {
    const stage = new Stage(directory);
    mkdirSync(join(directory, 'templates'));
    mkdirSync(stage.mountpoint);
    for (const kind of kinds) stage.#histories.set(kind, await stage.#prepare(kind));
    return stage;
  }

  /** An empty directory, outside of what `reset` puts back. */
  get mountpoint(): string {
    return join(this.directory, 'mountpoint');
  }

  run(...names: string[]): string {
    return join(this.directory, 'run', ...names);
  }

  history(kind: Kind): History {
    return this.#histories.get(kind) as History;
  }

  /** Puts everything back as it was when the stage was made. */
  reset({ kind, warm, command }: { kind: Kind; warm: boolean; command: { readonly writes?: string } }): void {
    // A server may still be ending a request that its client gave up.
    rmSync(this.run(), { recursive: true, force: true, maxRetries: 20, retryDelay: 25 });
    mkdirSync(this.run());
    copyTree(this.#template(kind, 'repository'), this.run());
    copyTree(this.#template(kind, 'target'), this.run());
    if (warm) copyTree(this.#template(kind, 'cache'), this.run());
    if (command.writes === 'other') copyTree(this.#template(kind, 'other'), this.run());
  }

  /** Whatever the cache of the run holds now is what a warm cache is from now on. */
  keepCache(kind: Kind): void {
    copyTree(this.run('cache'), this.#template(kind));
  }

  #template(kind: Kind, ...names: string[]): string {
    return join(this.directory, 'templates', kind, ...names);
  }

  /** With the password, or with the key that a command may have put in its place. */
  async open(repository = 'repository'): Promise<Repository> {
    const store = new LocalStore(this.run(repository));
    try {
      return await openRepository(store, { unlock: { password: PASSWORD } });
    } catch (cause) {
      if (!existsSync(this.run('new-key'))) throw cause;
      return await openRepository(store, { unlock: { keyFile: readFileSync(this.run('new-key')) } });
    }
  }

  /** Snapshots of versions 1 to 3 of the source; what version 0 alone had is unneeded. The source is at version 4 then. */
  async #prepare(kind: Kind): Promise<History> {
    rmSync(this.source, { recursive: true, force: true });
    rmSync(this.run(), { recursive: true, force: true });
    makeSource(this.source);
    mkdirSync(this.run('target'), { recursive: true });
    for (const name of ['repository', 'other'])
      await initRepository(new LocalStore(this.run(name)), {
        ...IDENTITY,
        unlock: { password: PASSWORD },
        logN: 10,
        data: CHUNKS,
        parity: kind === 'parity' ? PARITY_PERCENT : 0,
      });
    await addKeySlot(await this.open(), { ...IDENTITY, role: 'append', unlock: { password: 'spare' }, logN: 10 });
    for (let version = 0; version < VERSIONS; version++) {
      changeSource(this.source, version);
      await this.#backup(version);
      if (version === 1) copyTree(this.source, this.run('target', 'restored'));
    }
    const newest = treeImage(this.source);
    changeSource(this.source, VERSIONS);
    const repository = await this.open();
    const [unneeded = '', ...snapshots] = (await listSnapshots(repository)).snapshots.map(({ id }) => id);
    await repository.store.remove('snapshots', unneeded);
    const { slots } = await listKeySlots(repository);
    const spare = slots.find(({ role }) => role === 'append');
    copyTree(this.run(), this.#template(kind));
    return {
      snapshots,
      newest,
      pack: largestPack(this.run('repository', 'data')),
      spareKey: spare?.id ?? '',
      ownKeyObject: slots.find(({ current }) => current)?.name ?? '',
      spareKeyObject: spare?.name ?? '',
    };
  }

  async #backup(version: number): Promise<void> {
    const repository = await loadIndex(await this.open());
    await backup(repository, {
      ...IDENTITY,
      sources: [Buffer.from(this.source)],
      directory: Buffer.from(this.directory),
      uid: 0,
      gid: 0,
      tags: [`v${version}`],
      filter: NO_FILTER,
      parent: (await listSnapshots(repository)).snapshots.at(-1),
      program: 'varve test',
      compression: 'auto',
      packTarget: PACK_BYTES,
      threads: 1,
      time: { seconds: LONG_AGO + 100_000_000 + version * 100_000, nanoseconds: 0 },
    });
  }
}

export function copyTree(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** The name of the largest file: a pack of contents. */
function largestPack(data: string): string {
  const paths = readdirSync(data, { recursive: true }).map(String);
  const files = paths
    .filter((path) => path.length > 3)
    .map((path) => ({ path, size: statSync(join(data, path)).size }));
  files.sort((a, b) => b.size - a.size);
  return files[0]?.path.slice(3) ?? '';
}

function makeSource(root: string): void {
  mkdirSync(join(root, 'documents', 'empty'), { recursive: true });
  mkdirSync(join(root, 'pictures'));
  for (let number = 0; number < 6; number++) write(join(root, 'documents', `letter ${number}`), 2000 * (number + 1));
  linkSync(join(root, 'documents', 'letter 1'), join(root, 'pictures', 'hard link'));
  symlinkSync('letter 2', join(root, 'documents', 'link'));
  write(join(root, 'pictures', 'holes'), 30_000);
  truncateSync(join(root, 'pictures', 'holes'), 900_000);
  chmodSync(join(root, 'pictures'), 0o750);
  spawnSync('mkfifo', [join(root, 'pictures', 'fifo')]);
  spawnSync('setfattr', ['-n', 'user.comment', '-v', 'kept', join(root, 'documents', 'letter 3')]);
  settle(root);
}

/** What one version has and no other, and what is changed in each. */
function changeSource(root: string, version: number): void {
  rmSync(join(root, 'pictures', `only in ${version - 1}`), { force: true });
  write(join(root, 'pictures', `only in ${version}`), 150_000);
  write(join(root, 'pictures', 'changing'), 100_000, `${version}`);
  write(join(root, 'documents', `since ${version}`), 1000);
  settle(root);
}

function write(path: string, bytes: number, seed = ''): void {
  writeFileSync(path, content(path.split('/').slice(-2).join('/') + seed, bytes, false));
}

/** Gives all directories and files times that no later change of the same second can be mistaken for. */
function settle(root: string): void {
  for (const path of ['', ...readdirSync(root, { recursive: true }).map(String)].reverse()) {
    const whole = join(root, path);
    if (!whole.endsWith('/link')) utimesSync(whole, LONG_AGO, LONG_AGO + (statSync(whole).size % 1000));
  }
}
