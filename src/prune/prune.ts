import { explainInterruption } from '../errors/errors.js';
import { vouch } from '../repository/index/rewrite-index.js';
import { exclusively } from '../repository/leases/exclusive.js';
import type { HeldLease } from '../repository/leases/leases.js';
import type { Repository } from '../repository/repository.js';
import { condemn } from './condemn.js';
import { KeptCopies } from './kept-copies.js';
import { extendLocks } from './locks.js';
import { NeededBlobs } from './needed.js';
import type { PruneOptions, PruneResult } from './options.js';
import type { PruneRun } from './prune-run.js';
import { removeCondemned } from './remove.js';
import { resultOf } from './result.js';
import { SpaceMaker } from './space-maker.js';
import { type Survey, survey } from './survey.js';

const INTERRUPTED = 'interrupted; nothing that is needed is missing, and the next prune goes on';

/**
 * Removes what no snapshot needs, in two phases (SPEC.md section 13), while other commands run. The first phase copies what is needed of
 * some packs and condemns them. The second deletes condemned packs when the grace time has passed and no older command is running.
 *
 * @throws VarveError `role` for an append key, `locked` while another prune or a repair runs, `damaged` when something that snapshots
 * need cannot be found: then nothing is removed
 */
export async function prune(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  repository.keys.requireRole(options.repackUncompressed === true ? 'full' : 'manage', 'prune');
  return explainInterruption(INTERRUPTED, () => {
    if (options.dryRun) return dryRun(repository, options);
    if (options.recoverNoFreeSpace === true)
      return pruneExclusively(repository, { ...options, graceSeconds: 0, maxRepack: 0, repackUncompressed: false });
    return pruneExclusively(repository, options);
  });
}

async function dryRun(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  const found = await survey(repository, new NeededBlobs(options), options);
  return reportPlan(found, options);
}

function pruneExclusively(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  const space = new SpaceMaker(repository, options);
  const action = (lease: HeldLease): Promise<PruneResult> => pruneUnderLease(repository, options, lease);
  return exclusively(repository, 'prune', action, (acquire) => space.during(acquire));
}

async function pruneUnderLease(repository: Repository, options: PruneOptions, lease: HeldLease): Promise<PruneResult> {
  const needed = new NeededBlobs(options);
  const copies = new KeptCopies(needed, options);
  const space = new SpaceMaker(repository, options, lease.id);
  const surveyAgain = (): Promise<Survey> => survey(repository, needed, options, copies, lease.id);
  let found = await surveyAgain();
  if (copies.proven.size > 0) {
    // Machines that rely on copies that will be dropped then find others that are vouched for.
    await lease.confirm();
    await space.during(() => vouch(found.indexed, [...copies.proven.values()]));
    found = await surveyAgain();
  }
  const result = reportPlan(found, options);
  result.errors += copies.errors;
  const run: PruneRun = { repository, options, lease, needed, space, result };
  if (freesBeforeCopying(found, options)) {
    // Packs that need no copying go first. A disk that is nearly full then has space for the copies.
    await condemn(run, { ...found, plan: { ...found.plan, repack: [] } });
    await removeCondemned({ ...run, options: { ...options, onEvent: undefined } }, found.stored);
    found = await surveyAgain();
  }
  await condemn(run, found);
  const left = await removeCondemned(run, found.stored);
  await extendLocks(run, left);
  return result;
}

function reportPlan({ uses, plan, indexed, orphans, stored }: Survey, { onEvent }: PruneOptions): PruneResult {
  const result = resultOf(uses, plan, indexed.condemned, orphans, stored);
  onEvent?.({ kind: 'planned', result });
  return result;
}

/** Whether packs will be copied, and others can be deleted at once. */
function freesBeforeCopying({ indexed, stored, plan, orphans }: Survey, { graceSeconds }: PruneOptions): boolean {
  if (plan.repack.length === 0) return false;
  const atOnce = graceSeconds === 0 && plan.remove.length + orphans.length > 0;
  return atOnce || [...indexed.condemned].some((name) => stored.has(name));
}
