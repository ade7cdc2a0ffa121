import { VarveError } from '../../errors/errors.js';
import type { Snapshot } from '../../format/snapshot.js';
import { condemnedSince, type IndexedRepository, loadIndexToWrite } from '../index/index-store.js';
import { HeldLease } from '../leases/leases.js';
import { writeSnapshot } from '../snapshots/snapshots.js';
import { copyCondemned, type Needs } from './copy-condemned.js';

/**
 * How often something is stored again because prunes take away what it relies on. Each time less is left to do, as what was stored stays: so this many are never
 * needed, and only bound a fault.
 */
export const ATTEMPTS = 100;
/** What was looked at longer ago is looked at again: the machine was suspended. */
const PROMPT_SECONDS = 10 * 60;

/**
 * Makes attempts to store something and to write a snapshot of it, under a lease (SPEC.md section 13).
 *
 * @param attempts one for what cannot be read twice, else ATTEMPTS
 * @param attempt stores everything, lists it in the index, and ends with `commitSnapshot`; when it returns undefined it is tried again with a new index
 * @throws VarveError `incomplete` when that happens each time
 */
export async function underLease<T>(
  repository: IndexedRepository,
  operation: string,
  attempts: number,
  attempt: (repository: IndexedRepository) => Promise<T | undefined>,
): Promise<T> {
  const lease = await HeldLease.acquire(repository, operation);
  try {
    let indexed = repository;
    for (let made = 1; ; made++) {
      const result = await attempt(indexed);
      if (result !== undefined) return result;
      if (made === attempts)
        throw new VarveError(
          'incomplete',
          `a prune is removing what this ${operation} relies on, and no snapshot was made: run it again`,
        );
      indexed = await loadIndexToWrite(indexed);
    }
  } finally {
    await lease.release();
  }
}

/**
 * Writes a snapshot. What it needs must be durable and listed already.
 *
 * It is looked before and after whether a prune has condemned some of that: a machine that was suspended just before the snapshot was written may wake up
 * when its lease is long stale. From the moment when the snapshot is there on, prunes heed it.
 *
 * @param repository with the index that was relied on: `BlobIndex.has` has noted for what
 * @param stored names of the packs that were stored for it
 * @returns the snapshot's id, or undefined, and no snapshot, when a prune has condemned some of what it needs, and that cannot be copied any more
 */
export async function commitSnapshot(
  repository: IndexedRepository,
  stored: readonly string[],
  snapshot: Snapshot,
): Promise<string | undefined> {
  let needs: Needs = { repository, stored };
  for (let made = 0; made < ATTEMPTS; made++) {
    const id = await writeUnlessCondemned(needs, snapshot);
    if (id !== undefined) return id;
    try {
      needs = await copyCondemned(needs);
    } catch (cause) {
      if (cause instanceof VarveError && cause.code === 'incomplete') return undefined;
      throw cause;
    }
  }
  return undefined;
}

/** @returns undefined, and no snapshot, when it needs something in a condemned pack */
async function writeUnlessCondemned(needs: Needs, snapshot: Snapshot): Promise<string | undefined> {
  const { store } = needs.repository;
  let looked: number;
  do {
    looked = await store.now();
    if (await reliesOnCondemned(needs, true)) return undefined;
  } while ((await store.now()) - looked > PROMPT_SECONDS);
  const id = await writeSnapshot(needs.repository, snapshot);
  try {
    if (!(await reliesOnCondemned(needs))) return id;
  } catch (cause) {
    // Whether it is whole is not known, and nobody will be told that it was made.
    await store.remove('snapshots', id).catch(() => undefined);
    throw cause;
  }
  await store.remove('snapshots', id);
  return undefined;
}

async function reliesOnCondemned({ repository, stored }: Needs, once = false): Promise<boolean> {
  const condemned = await condemnedSince(repository, stored, once);
  for (const name of repository.condemned) condemned.add(name);
  if (condemned.size === 0) return false;
  const { index } = repository;
  for (let pack = 0; pack < index.packCount; pack++)
    if (condemned.has(index.packName(pack)) && index.reliesOn(pack)) return true;
  return stored.some((name) => condemned.has(name));
}
