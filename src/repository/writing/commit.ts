// The invariant on which every repository rests: packs, then the index, then the snapshot, each durable before the next
// (SPEC.md section 13). Wherever a writer dies, each snapshot has all that it needs. Snapshots of new data are written by
// `commitSnapshot`; what it needs is put into a PackSink before.
import { VarveError } from '../../errors/errors.js';
import type { Snapshot } from '../../format/snapshot.js';
import { condemnedSince, type IndexedRepository, loadIndexToWrite } from '../index/index-store.js';
import { HeldLease } from '../leases/leases.js';
import { writeSnapshot } from '../snapshots/snapshots.js';
import { copyCondemned, type Needs } from './copy-condemned.js';
import type { PackSink } from './pack-sink.js';

/**
 * Attempts to store something that prunes condemn again and again. Each attempt has less left to store, because stored packs stay.
 * So this bound is never reached; it only ends a loop that a bug causes.
 */
export const ATTEMPTS = 100;
/** A check for condemned packs that is older than this is made again: the machine was suspended. */
const PROMPT_SECONDS = 10 * 60;

/**
 * Tries again when a prune has condemned what the new snapshot relies on.
 *
 * @param attempts 1 for a source that cannot be read twice
 * @param attempt stores everything and ends with `commitSnapshot`. It returns undefined to be called again, then with a new index
 * @throws VarveError `incomplete` when every attempt returns undefined
 */
export async function retryCondemned<T>(
  operation: string,
  attempts: number,
  attempt: (last: boolean) => Promise<T | undefined>,
): Promise<T> {
  for (let made = 1; made <= attempts; made++) {
    const result = await attempt(made === attempts);
    if (result !== undefined) return result;
  }
  throw new VarveError(
    'incomplete',
    `a prune is removing what this ${operation} relies on, and no snapshot was made: run it again`,
  );
}

/** `retryCondemned` under a lease (SPEC.md section 13). Each attempt gets the newest index. */
export async function underLease<T>(
  repository: IndexedRepository,
  operation: string,
  attempts: number,
  attempt: (repository: IndexedRepository) => Promise<T | undefined>,
): Promise<T> {
  const lease = await HeldLease.acquire(repository, operation);
  let indexed: IndexedRepository | undefined = repository;
  try {
    return await retryCondemned(operation, attempts, async () => {
      const current = indexed ?? (await loadIndexToWrite(repository));
      indexed = undefined;
      return attempt(current);
    });
  } finally {
    await lease.release();
  }
}

/**
 * Makes the sink's packs durable and lists them, then writes a snapshot.
 *
 * Checks before and after the write that no prune has condemned any pack that the snapshot needs. A machine that was suspended just
 * before the write may wake up long after its lease went stale. Once the snapshot exists, prunes heed it.
 *
 * @param repository with the index that was relied on: `BlobIndex.has` has noted for which blobs
 * @param sink has stored what the index lacked
 * @returns the snapshot's id; undefined, and no snapshot, when a prune has condemned something that it needs and that cannot be copied any more
 * @throws the first failure to store or list a pack
 */
export async function commitSnapshot(
  repository: IndexedRepository,
  sink: Pick<PackSink, 'finish' | 'stored'>,
  snapshot: Snapshot,
): Promise<string | undefined> {
  await sink.finish();
  let needs: Needs = { repository, stored: sink.stored };
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
  let checked: number;
  do {
    checked = await store.now();
    if (await reliesOnCondemned(needs, true)) return undefined;
  } while ((await store.now()) - checked > PROMPT_SECONDS);
  const id = await writeSnapshot(needs.repository, snapshot);
  try {
    if (!(await reliesOnCondemned(needs))) return id;
  } catch (cause) {
    // The snapshot may lack something, and the caller reports a failure: so it must not stay.
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
