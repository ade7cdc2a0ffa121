import { VarveError } from '../errors/errors.js';
import { type Time, timeFromMillis } from '../format/time.js';
import type { IndexedRepository } from '../repository/index-store.js';
import { interrupted } from './interrupted.js';
import { listPacks, writeCondemned } from './ledger.js';
import type { PruneOptions, PruneResult } from './options.js';
import type { Needed, PackUse, Plan } from './plan.js';
import { Repacker } from './repack.js';

/** Seconds for which the index says that a pack was condemned after it is gone: for a machine that slept all the while. */
const REMEMBER_SECONDS = 400 * 24 * 3600;

/** Which packs the index condemns, and since when. */
export function condemnedBy(repository: IndexedRepository): Map<string, Time> {
  const condemned = new Map<string, Time>();
  for (const object of repository.objects) {
    for (const [name, time] of object.condemned) {
      const other = condemned.get(name);
      if (other === undefined || other.seconds < time.seconds) condemned.set(name, time);
    }
  }
  return condemned;
}

/**
 * The first phase: copies what is needed of some packs, then condemns those and the ones of which nothing is needed. Each step is durable
 * before the next.
 *
 * @param stored names of the packs in the store
 */
export async function condemn(
  repository: IndexedRepository,
  needed: Needed,
  plan: Plan,
  orphans: readonly string[],
  stored: ReadonlyMap<string, unknown>,
  options: PruneOptions & { readonly packTarget: number },
  result: PruneResult,
): Promise<void> {
  const repacked = await repack(repository, needed, plan.repack, options, result);
  const fresh = [...plan.remove.map(({ name }) => name), ...repacked, ...orphans];
  if (fresh.length === 0 && plan.reinstate.length === 0) return;
  const condemned = condemnedBy(repository);
  const now = await repository.store.now();
  for (const name of plan.reinstate) condemned.delete(name);
  for (const [name, { seconds }] of condemned)
    if (!stored.has(name) && now - seconds > REMEMBER_SECONDS) condemned.delete(name);
  for (const name of fresh) condemned.set(name, timeFromMillis(now * 1000));
  await writeCondemned(repository, condemned);
}

/** @returns names of the packs of which everything that is needed stands elsewhere now, and is listed */
async function repack(
  repository: IndexedRepository,
  needed: Needed,
  packs: readonly PackUse[],
  { packTarget, signal, onEvent }: PruneOptions & { readonly packTarget: number },
  result: PruneResult,
): Promise<string[]> {
  const repacker = new Repacker(repository, needed, packTarget);
  const copied: string[] = [];
  let bytes = 0;
  for (const [done, pack] of packs.entries()) {
    if (signal?.aborted === true) throw interrupted();
    try {
      await repacker.copy(pack);
      copied.push(pack.name);
    } catch (cause) {
      const error = VarveError.from(cause);
      if (error.code !== 'damaged') throw cause;
      result.errors++;
      onEvent?.({ kind: 'damaged', message: error.message });
    }
    bytes += pack.bytes;
    onEvent?.({ kind: 'copied', done: done + 1, total: packs.length, bytes });
  }
  await repacker.finish();
  await listPacks(repository, repacker.written);
  result.copied.packs = repacker.written.length;
  result.copied.bytes = repacker.written.reduce((sum, { size }) => sum + size, 0);
  return copied;
}
