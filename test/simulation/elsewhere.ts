import { Buffer } from 'node:buffer';
import { DATA, TREE } from '../../src/format/content.js';
import { type IndexedRepository, loadIndex } from '../../src/repository/index/index-store.js';
import { thisMachine } from '../../src/repository/machine.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { RepositoryWriter } from '../../src/repository/writing/repository-writer.js';
import type { ObjectType } from '../../src/storage/store.js';
import { snapshotOf } from './backup.js';
import { Dice } from './dice.js';
import type { Fixture } from './fixture.js';
import { Shelf } from './shelf.js';
import { changeFiles, type Files, firstFiles } from './source.js';
import { ShelfStore } from './store.js';
import { WRITING } from './task.js';
import { encodeFile, refer, storeTree } from './tree.js';

/** Another repository, from which snapshots are copied. It never changes, and is the same in all runs. */
export interface Elsewhere {
  readonly repository: IndexedRepository;
  /** Oldest first. */
  readonly snapshots: readonly { readonly stored: StoredSnapshot; readonly files: Files }[];
}

const SNAPSHOTS = 3;

export async function makeElsewhere(fixture: Fixture, seconds: number): Promise<Elsewhere> {
  let now = seconds;
  const place = { clock: () => now++ * 1000, machine: { ...thisMachine, host: 'elsewhere' } };
  const repository = fixture.openAs(place, new FilledStore(new Shelf()));
  const dice = new Dice(0);
  const files = firstFiles(dice);
  const contents = new Map<string, Files>();
  for (let made = 0; made < SNAPSHOTS; made++) {
    changeFiles(files, dice);
    contents.set(await store(await loadIndex(repository), files), new Map(files));
  }
  const { snapshots } = await listSnapshots(repository);
  const described = snapshots.map((stored) => ({ stored, files: contents.get(stored.id) as Files }));
  return { repository: await loadIndex(repository), snapshots: described };
}

async function store(repository: IndexedRepository, files: Files): Promise<string> {
  const writer = new RepositoryWriter(repository, WRITING);
  const put = (kind: typeof DATA | typeof TREE, bytes: Buffer) => {
    writer.put(kind, bytes);
    return refer(repository.keys, kind, bytes);
  };
  const stored = new Map([...files].map(([path, number]) => [path, put(DATA, encodeFile(number))]));
  const root = storeTree(stored, (bytes) => put(TREE, bytes));
  return (await writer.commit(snapshotOf(repository, root))) as string;
}

class FilledStore extends ShelfStore {
  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    this.shelf.put(type, name, Buffer.concat(parts), 0);
  }
}
