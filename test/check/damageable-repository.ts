import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../../src/check/check.js';
import type { CheckOptions, CheckResult } from '../../src/check/options.js';
import { VarveError } from '../../src/errors/errors.js';
import { DATA, TREE } from '../../src/format/content.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { rotateKeySlots } from '../../src/repository/keys/key-slots.js';
import { HeldLease } from '../../src/repository/leases/leases.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import type { ObjectType } from '../../src/storage/store.js';
import { PASSWORD, Sandbox } from '../backup/sandbox.js';
import { Beneath } from '../servers/beneath.js';

export const KINDS = ['config', 'key', 'index', 'snapshot', 'data', 'tree', 'lease'] as const;
export type Kind = (typeof KINDS)[number];

export const TYPES: Record<Kind, ObjectType> = {
  config: 'config',
  key: 'keys',
  index: 'index',
  snapshot: 'snapshots',
  data: 'data',
  tree: 'data',
  lease: 'locks',
};

/** Passwords of further full keys. */
export const SPARE = ['spare', 'second spare'];

/** Makes names so long that a directory takes several chunks. */
const LONG = 'x'.repeat(240);

/** What cannot be read of the snapshots, as a reader finds out that tries to. */
export interface Loss {
  readonly files: readonly string[];
  readonly snapshots: readonly string[];
}

/**
 * A repository that is damaged in many ways, and each time healed again: three snapshots in two epochs, several packs of each kind,
 * a directory of several chunks, keys of each role, a lease.
 */
export class DamageableRepository {
  readonly sandbox: Sandbox;
  readonly beneath: Beneath;
  /** Names of the objects of each kind. */
  readonly objects: Readonly<Record<Kind, readonly string[]>>;
  /** SHA-256 of each file, by its path and the snapshot's id. */
  readonly #contents = new Map<string, string>();

  private constructor(sandbox: Sandbox, beneath: Beneath, objects: Record<Kind, readonly string[]>) {
    this.sandbox = sandbox;
    this.beneath = beneath;
    this.objects = objects;
  }

  /** @param parity percent */
  static async create(directory: string, parity = 0): Promise<DamageableRepository> {
    const sandbox = await Sandbox.create(directory, { data: { min: 2048, average: 4096, max: 16_384 }, parity });
    const { source } = sandbox;
    const options = { packTarget: 100_000, threads: 1 };
    await sandbox.addKey('manage', 'manage');
    // Two that are swapped leave one that opens.
    for (const password of SPARE) await sandbox.addKey('full', password);
    fill(source, 'old', 10, 20_000);
    fill(source, 'many', 120, 10, LONG);
    await sandbox.backup(options);
    fill(source, 'old/new', 10, 20_000);
    await sandbox.backup({ ...options, parent: 'latest' });
    await rotateKeySlots(await sandbox.open());
    fill(source, 'many', 125, 11, LONG);
    fill(source, 'newest', 3, 60_000);
    await sandbox.backup({ ...options, parent: 'latest' });
    await leaveLease(sandbox);
    const damageable = new DamageableRepository(
      sandbox,
      await Beneath.open(join(directory, 'repository')),
      await objectsOf(sandbox),
    );
    await damageable.#remember();
    return damageable;
  }

  open(password = PASSWORD): Promise<Repository> {
    return openRepository(this.sandbox.store, { unlock: { password } });
  }

  async check(options: CheckOptions = {}, password = PASSWORD): Promise<CheckResult> {
    return check(await this.open(password), { maxFiles: Infinity, threads: 1, ...options });
  }

  /** Reads all files of all snapshots that open, without check's help. */
  async loss(password = PASSWORD): Promise<Loss> {
    const files = new Set<string>();
    const snapshots = new Set<string>();
    for (const [id, lost] of await this.#read(password)) {
      for (const [path, hash] of lost)
        if (hash === undefined || hash !== (this.#contents.get(`${id}${path}`) ?? hash)) {
          files.add(path);
          snapshots.add(id);
        }
    }
    return { files: [...files].sort(), snapshots: [...snapshots].sort() };
  }

  async #remember(): Promise<void> {
    for (const [id, files] of await this.#read(PASSWORD))
      for (const [path, hash] of files) if (hash !== undefined) this.#contents.set(`${id}${path}`, hash);
  }

  /** The hash of each file by its path, undefined for what cannot be read; a directory that cannot be read ends with a slash. */
  async #read(password: string): Promise<Map<string, Map<string, string | undefined>>> {
    const repository = await loadIndex(await this.open(password), { onDamage: () => undefined });
    const { snapshots } = await listSnapshots(repository);
    const all = new Map<string, Map<string, string | undefined>>();
    const reader = new TreeReader(repository);
    for (const { id, snapshot } of snapshots) {
      const files = new Map<string, string | undefined>();
      await readDirectory(reader, snapshot.root, '', files);
      all.set(id, files);
    }
    return all;
  }
}

type Content = Parameters<TreeReader['entries']>[0];

async function readDirectory(
  reader: TreeReader,
  content: Content,
  path: string,
  files: Map<string, string | undefined>,
): Promise<void> {
  const below: { content: Content; path: string }[] = [];
  try {
    for await (const each of reader.entries(content, path)) {
      const entry = each.entry();
      const child = `${path}/${entry.name}`;
      if (entry.type === 'directory' && entry.content !== undefined)
        below.push({ content: entry.content, path: child });
      else files.set(child, await hashOf(reader.file(entry, child)));
    }
  } catch (cause) {
    if (!(cause instanceof VarveError)) throw cause;
    files.set(`${path}/`, undefined);
  }
  for (const each of below) await readDirectory(reader, each.content, each.path, files);
}

async function hashOf(bytes: AsyncIterable<Buffer>): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const piece of bytes) hash.update(piece);
  } catch (cause) {
    if (cause instanceof VarveError) return undefined;
    throw cause;
  }
  return hash.digest('hex');
}

function fill(root: string, directory: string, files: number, bytes: number, suffix = ''): void {
  mkdirSync(join(root, directory), { recursive: true });
  for (let number = 0; number < files; number++) {
    const blocks = Array.from({ length: Math.ceil(bytes / 32) }, (_, block) =>
      createHash('sha256').update(`${directory} ${number} ${block}`).digest(),
    );
    writeFileSync(join(root, directory, `file ${number}${suffix}`), Buffer.concat(blocks).subarray(0, bytes));
  }
}

async function objectsOf(sandbox: Sandbox): Promise<Record<Kind, readonly string[]>> {
  const { store } = sandbox;
  const names = async (type: ObjectType): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name } of store.list(type)) found.push(name);
    return found.sort();
  };
  const { index } = await sandbox.indexed();
  const packs = Array.from({ length: index.packCount }, (_, number) => number);
  const ofKind = (kind: number): string[] =>
    packs.filter((pack) => index.packKind(pack) === kind).map((pack) => index.packName(pack));
  return {
    config: ['config'],
    key: await names('keys'),
    index: await names('index'),
    snapshot: await names('snapshots'),
    data: ofKind(DATA),
    tree: ofKind(TREE),
    lease: await names('locks'),
  };
}

/** A lease that keeps its name, however long the tests take: nobody refreshes it. */
async function leaveLease(sandbox: Sandbox): Promise<void> {
  const repository = await sandbox.open();
  const machine = { ...repository.machine, every: () => () => undefined };
  await HeldLease.acquire({ ...repository, machine }, 'backup');
}

/** Bytes of an object of the same kind, of a repository of somebody else. */
export async function foreignObjects(directory: string): Promise<Readonly<Record<Kind, Buffer>>> {
  const foreign = await Sandbox.create(directory);
  fill(foreign.source, 'foreign', 3, 20_000);
  await foreign.backup({ threads: 1 });
  await leaveLease(foreign);
  const objects = await objectsOf(foreign);
  const all = {} as Record<Kind, Buffer>;
  for (const kind of KINDS) {
    const name = objects[kind][0] as string;
    all[kind] = await foreign.store.get(TYPES[kind], name);
  }
  return all;
}
