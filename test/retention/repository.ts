import { VarveError } from '../../src/errors/errors.js';
import type { Snapshot } from '../../src/format/snapshot.js';
import { initRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots, type StoredSnapshot, writeSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { ForwardingStore } from '../../src/storage/guards/forwarding.js';
import type { ObjectType } from '../../src/storage/store.js';
import { openTestStore } from '../servers/test-place.js';
import { storedSnapshot } from './history.js';

/** A store that does not let go of some objects, and notes what is put and removed. */
export class StubbornStore extends ForwardingStore {
  /** @param directory where it is when it is in files */
  static async open(directory: string): Promise<StubbornStore> {
    return new StubbornStore(await openTestStore(directory, 'memory'));
  }

  readonly stubborn = new Set<string>();
  readonly log: string[] = [];

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await super.put(type, name, parts);
    this.log.push(`put ${type}/${name}`);
  }

  override async remove(type: ObjectType, name: string): Promise<void> {
    if (this.stubborn.has(name)) throw new VarveError('storage', `cannot remove ${type}/${name}`);
    // In the order in which it is asked: a server may be done with the second first.
    this.log.push(`remove ${type}/${name}`);
    await super.remove(type, name);
  }
}

export async function newRepository(store: StubbornStore): Promise<Repository> {
  return initRepository(store, { unlock: { password: 'x' }, user: 'anna', host: 'web1', logN: 10 });
}

/** Writes a snapshot at noon of each day. @returns them, oldest first */
export async function writeDays(
  repository: Repository,
  days: readonly string[],
  about: Partial<Snapshot> = {},
): Promise<readonly StoredSnapshot[]> {
  for (const day of days) {
    const time = { seconds: Date.parse(`${day}T12:00:00Z`) / 1000, nanoseconds: 0 };
    await writeSnapshot(repository, storedSnapshot('', { ...about, time }).snapshot);
  }
  return (await listSnapshots(repository)).snapshots;
}
