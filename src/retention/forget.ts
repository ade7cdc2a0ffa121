// Plans what a policy removes, and removes snapshots.
// policy.ts decides; prune/ deletes the data.
import pLimit from 'p-limit';
import { VarveError } from '../errors/errors.js';
import { isSuspect } from '../format/snapshot.js';
import type { Repository } from '../repository/repository.js';
import { type GroupBy, type GroupKey, groupSnapshots } from '../repository/snapshots/snapshot-groups.js';
import { removeSnapshot, type StoredSnapshot, shortId } from '../repository/snapshots/snapshots.js';
import { type Time, timeFromMillis } from '../time/time.js';
import { REQUESTS } from '../workers/in-flight.js';
import { applyPolicy, type Decision, isEmptyPolicy, type Policy } from './policy.js';

/** A group of snapshots, and what a policy keeps and removes of it. */
export interface PlannedGroup extends Decision<StoredSnapshot> {
  readonly key: GroupKey;
}

export interface PlanOptions {
  readonly policy: Policy;
  readonly groupBy: GroupBy;
  /** Allows a policy that removes all snapshots of a group, or that keeps nothing at all. */
  readonly allowRemoveAll?: boolean;
  /** The current time. */
  readonly now?: Time;
}

/**
 * Decides what a policy keeps and removes of each group. Snapshots in doubt (snapshots/standing.ts) are left alone: no policy removes one,
 * and none is a reason to remove another.
 *
 * @param snapshots oldest first
 * @throws VarveError `usage` when the policy is empty, or would keep nothing of a group, and that is not allowed
 */
export function planForget(snapshots: readonly StoredSnapshot[], options: PlanOptions): PlannedGroup[] {
  const { policy, groupBy, allowRemoveAll = false, now = timeFromMillis(Date.now()) } = options;
  if (isEmptyPolicy(policy) && !allowRemoveAll) {
    throw new VarveError(
      'usage',
      'no policy was specified, no snapshots will be removed: say what to keep, for example with --keep-daily 7 (0 keeps nothing)',
    );
  }
  const counted = snapshots.filter(({ doubt }) => doubt === undefined);
  const groups = groupSnapshots(counted, groupBy);
  const planned = groups.map((group) => ({ key: group.key, ...applyPolicy(group.snapshots, policy, now) }));
  for (const { keep, remove } of planned) {
    const keepsGood = keep.some(({ stored }) => !isSuspect(stored.snapshot));
    const good = remove.filter(({ snapshot }) => !isSuspect(snapshot));
    const removed = good.length > 0 && !keepsGood ? good : keep.length === 0 ? remove : [];
    if (removed.length > 0 && !allowRemoveAll) throw removesAll(removed);
  }
  return planned;
}

function removesAll(remove: readonly StoredSnapshot[]): VarveError {
  const [newest] = remove as [StoredSnapshot, ...StoredSnapshot[]];
  const { host, paths } = newest.snapshot;
  const which = `${shortId(newest.id)}, of ${host}: ${paths.map((path) => path.toString()).join(', ')}`;
  return new VarveError(
    'usage',
    `refusing to remove the last snapshot of a group (${which}): the policy keeps none of its ${remove.length}, and nothing was removed; ` +
      'keep something of each group, say with --keep-last 1, or give --unsafe-allow-remove-all together with --host, --tag, --path or --signer',
  );
}

export interface ForgetFailure {
  readonly stored: StoredSnapshot;
  readonly error: VarveError;
}

export interface ForgetOptions {
  readonly signal?: AbortSignal;
  /** Called after each snapshot with the number of snapshots tried. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Removes snapshots. Needs a manage key.
 *
 * @param oldestFirst removed in this order, so that an interruption leaves the newer ones
 * @returns the snapshots that could not be removed
 */
export async function forgetSnapshots(
  repository: Repository,
  oldestFirst: readonly StoredSnapshot[],
  { signal, onProgress }: ForgetOptions = {},
): Promise<ForgetFailure[]> {
  repository.keys.requireRole('manage', 'forget snapshots');
  const failures: ForgetFailure[] = [];
  const limit = pLimit(REQUESTS);
  let done = 0;
  const forget = async (stored: StoredSnapshot): Promise<void> => {
    if (signal?.aborted) return;
    await removeSnapshot(repository, stored.id).catch((cause) => {
      failures.push({ stored, error: VarveError.from(cause) });
    });
    done++;
    onProgress?.(done);
  };
  await Promise.all(oldestFirst.map((stored) => limit(() => forget(stored))));
  if (done < oldestFirst.length) {
    const removed = done - failures.length;
    throw new VarveError('interrupted', `interrupted; snapshots removed: ${removed} of ${oldestFirst.length}`);
  }
  return failures;
}
