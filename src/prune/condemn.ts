import { isUnreadable, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { timeFromMillis } from '../format/time.js';
import { condemnations, type IndexedRepository } from '../repository/index/index-store.js';
import type { HeldLease } from '../repository/leases/leases.js';
import { eachAtMost } from '../workers/in-flight.js';
import { defaultThreads } from '../workers/pool.js';
import { writeCondemned } from './ledger.js';
import type { NeededBlobs } from './needed.js';
import type { PruneOptions, PruneResult } from './options.js';
import { copiedBytes, type Plan } from './plan.js';
import { Repacker } from './repack.js';
import type { SpaceMaker } from './space-maker.js';

/** Seconds for which the index says that a pack was condemned after it is gone: for a machine that slept all the while. */
const REMEMBER_SECONDS = 400 * 24 * 3600;

/** Bytes to be copied from which on threads are started for it. */
const WORTH_THREADS = 64 * 1024 * 1024;

export interface CopyOptions extends PruneOptions {
  /** Bytes at which a pack is closed. */
  readonly packTarget: number;
  /** Frames of which less than this part is waste are copied as they are. */
  readonly tolerated: number;
}

/**
 * The first phase: copies what is needed of some packs, then condemns those and the ones of which nothing is needed. Each step is durable
 * before the next.
 *
 * @param stored names of the packs in the store
 */
export async function condemn(
  repository: IndexedRepository,
  needed: NeededBlobs,
  plan: Plan,
  orphans: readonly string[],
  stored: ReadonlyMap<string, unknown>,
  options: CopyOptions & { readonly lease: HeldLease; readonly space: SpaceMaker },
  result: PruneResult,
): Promise<void> {
  const repacked = await repack(repository, needed, plan, options, result);
  const fresh = [...plan.remove.map(({ name }) => name), ...repacked, ...orphans];
  if (fresh.length === 0 && plan.reinstate.length === 0) return;
  const condemned = condemnations(repository);
  const now = await repository.store.now();
  for (const name of plan.reinstate) condemned.delete(name);
  for (const [name, { seconds }] of condemned)
    if (!stored.has(name) && now - seconds > REMEMBER_SECONDS) condemned.delete(name);
  for (const name of fresh) condemned.set(name, timeFromMillis(now * 1000));
  await options.lease.confirm();
  await options.space.during(() => writeCondemned(repository, condemned));
}

/** @returns names of the packs of which everything that is needed stands elsewhere now, and is listed */
async function repack(
  repository: IndexedRepository,
  needed: NeededBlobs,
  plan: Plan,
  options: CopyOptions,
  result: PruneResult,
): Promise<string[]> {
  if (plan.repack.length === 0) return [];
  const toCopy = plan.repack.reduce((sum, pack) => sum + copiedBytes(pack), 0);
  const threads = toCopy < WORTH_THREADS ? 0 : defaultThreads();
  const repacker = new Repacker(repository, needed.bits, options, threads);
  try {
    const copied = await copyAll(repacker, plan, options, result);
    await repacker.finish();
    Object.assign(result.copied, repacker.written);
    return copied;
  } catch (cause) {
    const { code, message } = VarveError.from(cause);
    if (code !== 'full') throw cause;
    await repacker.discard();
    result.errors++;
    options.onEvent?.({ kind: 'no-space', packs: plan.repack.length, message });
    return [];
  } finally {
    await repacker.close();
  }
}

async function copyAll(
  repacker: Repacker,
  { repack: packs, recompress }: Plan,
  { signal, onEvent }: PruneOptions,
  result: PruneResult,
): Promise<string[]> {
  const copied: string[] = [];
  let [done, bytes] = [0, 0];
  await eachAtMost(repacker.atMost, packs, async (pack) => {
    throwIfInterrupted(signal);
    try {
      if (await repacker.copy(pack, recompress.has(pack))) copied.push(pack.name);
    } catch (cause) {
      const { code, message } = VarveError.from(cause);
      const isOfPack = code === 'damaged' || isUnreadable(cause);
      if (repacker.failed || !isOfPack) throw cause;
      result.errors++;
      onEvent?.({ kind: 'not-copied', message });
    }
    bytes += pack.bytes;
    onEvent?.({ kind: 'copied', done: ++done, total: packs.length, bytes });
  });
  return copied;
}
