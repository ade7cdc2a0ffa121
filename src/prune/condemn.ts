import { isUnreadable, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { condemnations } from '../repository/index/index-store.js';
import { timeFromMillis } from '../time/time.js';
import { eachAtMost } from '../workers/in-flight.js';
import { defaultThreads } from '../workers/pool.js';
import { writeCondemnations } from './condemnations.js';
import { copiedBytes, type Plan } from './plan.js';
import type { PruneRun } from './prune-run.js';
import { Repacker } from './repack.js';
import type { Survey } from './survey.js';

/** Seconds that the index remembers the condemnation of a deleted pack: for a machine that slept all that time. */
const REMEMBER_SECONDS = 400 * 24 * 3600;

/** From this many bytes on, worker threads copy them. */
const WORTH_THREADS = 64 * 1024 * 1024;

/**
 * The first phase: copies what is needed of some packs, then condemns these packs and those without a needed blob. Each step is durable
 * before the next.
 */
export async function condemn(run: PruneRun, survey: Survey): Promise<void> {
  const { indexed, plan, orphans, stored } = survey;
  const repacked = await repack(run, survey);
  const fresh = [...plan.remove.map(({ name }) => name), ...repacked, ...orphans];
  if (fresh.length === 0 && plan.reinstate.length === 0) return;
  const condemned = condemnations(indexed);
  const now = await indexed.store.now();
  for (const name of plan.reinstate) condemned.delete(name);
  for (const [name, { seconds }] of condemned)
    if (!stored.has(name) && now - seconds > REMEMBER_SECONDS) condemned.delete(name);
  for (const name of fresh) condemned.set(name, timeFromMillis(now * 1000));
  await run.lease.confirm();
  await run.space.during(() => writeCondemnations(indexed, condemned));
}

/** @returns names of the packs whose needed blobs are now in other packs that the index lists */
async function repack(run: PruneRun, { indexed, plan, tolerated }: Survey): Promise<string[]> {
  if (plan.repack.length === 0) return [];
  const { needed, options, result } = run;
  const toCopy = plan.repack.reduce((sum, pack) => sum + copiedBytes(pack), 0);
  const threads = toCopy < WORTH_THREADS ? 0 : defaultThreads();
  const repacker = new Repacker(indexed, needed.bits, { ...options, tolerated }, threads);
  try {
    const copied = await copyAll(run, repacker, plan);
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
  { options: { signal, onEvent }, result }: PruneRun,
  repacker: Repacker,
  { repack: packs, recompress }: Plan,
): Promise<string[]> {
  const copied: string[] = [];
  let [done, bytes] = [0, 0];
  await eachAtMost(repacker.atMost, packs, async (pack) => {
    throwIfInterrupted(signal);
    try {
      if (await repacker.copy(pack, recompress.has(pack))) copied.push(pack.name);
    } catch (cause) {
      const { code, message } = VarveError.from(cause);
      const isAboutPack = code === 'damaged' || isUnreadable(cause);
      if (repacker.failed || !isAboutPack) throw cause;
      result.errors++;
      onEvent?.({ kind: 'not-copied', message });
    }
    bytes += pack.bytes;
    onEvent?.({ kind: 'copied', done: ++done, total: packs.length, bytes });
  });
  return copied;
}
