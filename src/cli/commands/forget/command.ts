// The work of `forget`: by ids or by a policy, and a prune afterwards.
// Policies are in retention/; report.ts prints.
import { VarveError } from '../../../errors/errors.js';
import type { Repository } from '../../../repository/repository.js';
import type { StoredSnapshot } from '../../../repository/snapshots/snapshots.js';
import { forgetSnapshots, type PlannedGroup, planForget } from '../../../retention/forget.js';
import { describePolicy, isEmptyPolicy } from '../../../retention/policy.js';
import { timeFromMillis } from '../../../time/time.js';
import { zoneProblem } from '../../../time/zone.js';
import type { Context } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { parseGroupBy } from '../../snapshots/snapshot-groups.js';
import {
  chooseSnapshots,
  listedCode,
  readSnapshots,
  type SelectionOptions,
  selectionFilter,
} from '../../snapshots/snapshot-selection.js';
import { counted } from '../../text/units.js';
import { pruner } from '../prune/command.js';
import type { PruneFlags } from '../prune/options.js';
import { hasPolicy, type PolicyFlags, policyFrom, refuseEmptyTag } from './policy.js';
import { groupsJson, printGroups, reportDoubts, reportFailures, reportRemoval } from './report.js';
import { Unlisted } from './unlisted.js';

export interface ForgetFlags extends SelectionOptions, PolicyFlags, PruneFlags {
  readonly prune?: boolean;
  readonly groupBy: string;
  readonly compact?: boolean;
  readonly unsafeAllowRemoveAll?: boolean;
}

const INCOMPLETE = 3;

/** With another calendar forget would remove other snapshots than the user expects. */
function refuseUnknownZone(flags: ForgetFlags): void {
  const problem = zoneProblem();
  if (problem === undefined || !hasPolicy(flags)) return;
  throw new VarveError(
    'usage',
    `${problem}, so forget may remove other snapshots than you expect: set TZ, or unset it`,
  );
}

export async function forgetCommand(context: Context, ids: readonly string[], flags: ForgetFlags): Promise<number> {
  context.outliveReader();
  refuseContradictions(ids, flags);
  refuseUnknownZone(flags);
  const plan = planner(context, flags);
  const prune = pruner(context, flags);
  const repository = await openFromOptions(context);
  repository.keys.requireRole('manage', 'forget snapshots');
  const list = await readSnapshots(context, repository);
  const { snapshots } = list;
  const unlisted = await Unlisted.find(repository, snapshots, ids);
  const named = ids.filter((id) => !unlisted.has(id));
  const onlyUnlisted = ids.length > 0 && named.length === 0;
  const filter = selectionFilter(context, flags);
  const chosen = onlyUnlisted ? [] : chooseSnapshots(list, named, filter);
  const groups = ids.length > 0 ? [] : plan(repository, chosen);
  const removed = new Set(ids.length > 0 ? chosen : groups.flatMap(({ remove }) => remove));
  const { output } = context;
  if (!output.json) printGroups(output, groups, flags.compact === true);
  const oldestFirst = snapshots.filter((each) => removed.has(each));
  const unreadable = await unlisted.remove(repository, output, flags.dryRun === true);
  const failures = unreadable + (onlyUnlisted ? 0 : await remove(context, repository, oldestFirst, flags));
  // As in restic, nothing is printed when there are no groups.
  if (output.json && groups.length > 0) output.object(groupsJson(groups));
  const pruned = flags.prune === true ? await prune(repository, idsOf(removed)) : 0;
  return failures > 0 ? INCOMPLETE : pruned || listedCode(list, ids);
}

const idsOf = (snapshots: Iterable<StoredSnapshot>): Set<string> => new Set([...snapshots].map(({ id }) => id));

function refuseContradictions(ids: readonly string[], flags: ForgetFlags): void {
  if (ids.length > 0 && hasPolicy(flags)) {
    throw new VarveError('usage', 'give either ids or --keep options, not both');
  }
  const filters = [flags.host, flags.tag, flags.path, flags.signer].flatMap((each = []) => each);
  if (flags.unsafeAllowRemoveAll === true && ids.length === 0 && filters.every((each) => each === '')) {
    throw new VarveError('usage', '--unsafe-allow-remove-all needs --host, --tag, --path or --signer');
  }
}

/** Parses the policy first, so that its mistakes show before the question for a password. */
function planner(
  { output }: Context,
  flags: ForgetFlags,
): (repository: Repository, snapshots: readonly StoredSnapshot[]) => PlannedGroup[] {
  refuseEmptyTag(flags);
  const policy = policyFrom(flags);
  const groupBy = parseGroupBy(flags.groupBy);
  const allowRemoveAll = flags.unsafeAllowRemoveAll === true;
  return (repository, snapshots) => {
    const now = timeFromMillis(repository.clock());
    const groups = planForget(snapshots, { policy, groupBy, allowRemoveAll, now });
    if (!isEmptyPolicy(policy)) output.message(`Applying Policy: ${describePolicy(policy)}`);
    reportDoubts(output, snapshots);
    return groups;
  };
}

/** @returns the number of snapshots that could not be removed */
async function remove(
  context: Context,
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  { dryRun = false }: ForgetFlags,
): Promise<number> {
  const { output, signal } = context;
  if (dryRun) {
    reportRemoval(output, snapshots, true);
    return 0;
  }
  output.flush();
  const onProgress = (done: number) =>
    output.status(() => `removed ${done} of ${counted(snapshots.length, 'snapshot')}`);
  const failures = await forgetSnapshots(repository, snapshots, { signal, onProgress });
  const failed = new Set(failures.map(({ stored }) => stored));
  reportFailures(output, failures);
  reportRemoval(
    output,
    snapshots.filter((each) => !failed.has(each)),
    false,
  );
  return failures.length;
}
