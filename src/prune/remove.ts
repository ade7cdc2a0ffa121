// Deletes condemned packs when that is safe.
// condemn.ts condemns; leases and snapshots are read again here.
import { throwIfInterrupted, VarveError } from '../errors/errors.js';
import { condemnations, type IndexedRepository } from '../repository/index/index-store.js';
import { describeLease, otherLeases } from '../repository/leases/exclusive.js';
import type { HeldLease, StoredLease } from '../repository/leases/leases.js';
import type { ObjectInfo } from '../storage/store.js';
import type { Time } from '../time/time.js';
import { dropPacks } from './condemnations.js';
import { MARGIN_SECONDS } from './margin.js';
import type { NeededBlobs } from './needed.js';
import type { PruneOptions, PruneResult } from './options.js';
import { usesOf } from './plan.js';
import type { PruneRun } from './prune-run.js';

/** While packs are deleted, prune checks again at least this often (ms) that no snapshot needs them. */
const RECHECK_MS = 5 * 60 * 1000;

/**
 * The second phase: deletes condemned packs whose grace time has passed, that no snapshot needs, and that no older running command may
 * rely on. It lists leases before snapshots: a command that has ended since has written its snapshot.
 *
 * @param stored packs in the store, by name
 * @returns the repository with the index as this last read it
 */
export async function removeCondemned(
  { repository, options, lease, needed, result }: PruneRun,
  stored: ReadonlyMap<string, ObjectInfo>,
): Promise<IndexedRepository> {
  const left = new Set(stored.keys());
  for (;;) {
    const started = repository.clock();
    const leases = await otherLeases(repository, lease.id);
    const indexed = await needed.renew(repository);
    const verdict = judge(indexed, needed, leases, left, await repository.store.now(), options.graceSeconds);
    let again = false;
    for (const [done, name] of verdict.gone.entries()) {
      throwIfInterrupted(options.signal);
      again = Math.abs(repository.clock() - started) > RECHECK_MS;
      if (again) break;
      await lease.confirm();
      await repository.store.remove('data', name);
      left.delete(name);
      result.deleted.packs++;
      result.deleted.bytes += stored.get(name)?.size ?? 0;
      options.onEvent?.({ kind: 'removed', done: done + 1, total: verdict.gone.length });
    }
    if (again) continue;
    await tidyIndex(indexed, lease, left);
    reportWaiting(verdict, stored, options, result);
    return indexed;
  }
}

interface Verdict {
  readonly gone: readonly string[];
  readonly waiting: readonly string[];
  /** Leases that keep packs from being deleted, and how many packs. */
  readonly blocking: ReadonlyMap<StoredLease, number>;
}

/** Which condemned packs may be deleted. */
export function judge(
  indexed: IndexedRepository,
  needed: NeededBlobs,
  leases: readonly StoredLease[],
  stored: ReadonlySet<string>,
  now: number,
  graceSeconds: number,
): Verdict {
  const uses = usesOf(indexed, needed);
  const inUse = new Set(uses.flatMap(({ name, neededBlobs }) => (neededBlobs > 0 ? [name] : [])));
  const gone: string[] = [];
  const waiting: string[] = [];
  const blocking = new Map<StoredLease, number>();
  for (const [name, since] of condemnations(indexed)) {
    if (!stored.has(name)) continue;
    const lease = leases.find((each) => mayRelyOn(each, since));
    if (lease !== undefined) blocking.set(lease, (blocking.get(lease) ?? 0) + 1);
    if (inUse.has(name) || now - since.seconds < graceSeconds || lease !== undefined) waiting.push(name);
    else gone.push(name);
  }
  return { gone, waiting, blocking };
}

const mayRelyOn = ({ lease }: StoredLease, condemned: Time): boolean =>
  lease.since.seconds <= condemned.seconds + MARGIN_SECONDS;

/** Removes deleted packs from the index, and index objects that others replace. */
async function tidyIndex(indexed: IndexedRepository, lease: HeldLease, stored: ReadonlySet<string>): Promise<void> {
  const gone = new Set([...condemnations(indexed).keys()].filter((name) => !stored.has(name)));
  await lease.confirm();
  const replaced = await dropPacks(indexed, gone).catch(unlessFull);
  for (const name of [...indexed.replaced, ...replaced]) await indexed.store.remove('index', name);
}

/** Deleted packs that stay listed are condemned. The next prune removes them from the index. */
function unlessFull(cause: unknown): [] {
  if (VarveError.from(cause).code !== 'full') throw cause;
  return [];
}

function reportWaiting(
  { waiting, blocking }: Verdict,
  stored: ReadonlyMap<string, ObjectInfo>,
  { onEvent }: PruneOptions,
  result: PruneResult,
): void {
  result.waiting.packs = waiting.length;
  result.waiting.bytes = waiting.reduce((sum, name) => sum + (stored.get(name)?.size ?? 0), 0);
  for (const [lease, packs] of blocking) onEvent?.({ kind: 'waiting', packs, who: describeLease(lease) });
}
