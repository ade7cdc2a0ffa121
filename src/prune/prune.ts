import { explainInterruption, VarveError } from '../errors/errors.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { exclusively } from '../repository/leases/exclusive.js';
import type { HeldLease } from '../repository/leases/leases.js';
import { PACK_TARGET } from '../repository/packs/pack-writer.js';
import type { Repository } from '../repository/repository.js';
import type { ObjectInfo } from '../storage/store.js';
import { condemn } from './condemn.js';
import { extendLocks } from './locks.js';
import { NeededBlobs } from './needed.js';
import type { PruneOptions, PruneResult } from './options.js';
import { findOrphans } from './orphans.js';
import { makePlan, type Needed, type PackUse, type Plan, usesOf } from './plan.js';
import { removeCondemned } from './remove.js';
import { resultOf } from './result.js';
import { SpaceMaker } from './space-maker.js';

/**
 * The part of a frame that is waste from which on it is opened and what is needed put to others, which takes longer than to copy it: the first with
 * which little enough stays.
 */
const TOLERATED = [0.25, 0.125];
/** Packs smaller than this part of what they should be are put together. */
const SMALL = 0.8;

const INTERRUPTED = 'interrupted; nothing that is needed is missing, and the next prune goes on';

/**
 * Removes what no snapshot needs, in two phases (SPEC.md section 13), without keeping anybody from anything: packs are condemned first, after
 * what is needed of them was copied; once the grace time has passed and nothing runs that began before, they are deleted.
 *
 * @throws VarveError `role` for an append key, `locked` while another prune or a repair runs, `damaged` when anything that snapshots need cannot be
 * found: then nothing is removed
 */
export async function prune(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  repository.keys.requireRole(options.repackUncompressed === true ? 'full' : 'manage', 'prune');
  return explainInterruption(INTERRUPTED, () => {
    if (options.dryRun) return pruneAs(repository, options, undefined);
    if (options.recoverNoFreeSpace === true)
      return pruneExclusively(repository, { ...options, graceSeconds: 0, maxRepack: 0, repackUncompressed: false });
    return pruneExclusively(repository, options);
  });
}

function pruneExclusively(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  const space = new SpaceMaker(repository, options);
  const action = (lease: HeldLease): Promise<PruneResult> => pruneAs(repository, options, lease);
  return exclusively(repository, 'prune', action, (acquire) => space.during(acquire));
}

/** @param lease undefined for a dry run */
async function pruneAs(
  repository: Repository,
  options: PruneOptions,
  lease: HeldLease | undefined,
): Promise<PruneResult> {
  const needed = new NeededBlobs(options);
  const packTarget = options.packTarget ?? PACK_TARGET;
  const survey = await lookAt(repository, needed, lease, { ...options, packTarget });
  const { indexed, stored, plan, orphans } = survey;
  const result = resultOf(survey.uses, plan, indexed.condemned, orphans, stored);
  options.onEvent?.({ kind: 'planned', result });
  if (lease === undefined) return result;
  const space = new SpaceMaker(repository, options, lease.id);
  const condemnAll = (from: Survey, what: Plan): Promise<void> => {
    const limits = { ...options, packTarget, tolerated: from.tolerated, lease, space };
    return condemn(from.indexed, needed, what, from.orphans, from.stored, limits, result);
  };
  let last = survey;
  if (freesBeforeCopying(survey, options)) {
    // What needs no copying goes first: on a disk that is nearly full the copies have space then.
    await condemnAll(survey, { ...plan, repack: [] });
    await removeCondemned(repository, needed, lease, stored, { ...options, onEvent: undefined }, result);
    last = await lookAt(repository, needed, lease, { ...options, packTarget });
  }
  await condemnAll(last, last.plan);
  const left = await removeCondemned(repository, needed, lease, last.stored, options, result);
  await extendLocks(left, options, result);
  return result;
}

/** What is there, and what is to become of it. */
interface Survey {
  readonly indexed: IndexedRepository;
  readonly stored: ReadonlyMap<string, ObjectInfo>;
  readonly uses: readonly PackUse[];
  readonly plan: Plan;
  readonly tolerated: number;
  readonly orphans: readonly string[];
}

async function lookAt(
  repository: Repository,
  needed: NeededBlobs,
  lease: HeldLease | undefined,
  options: PruneOptions & { readonly packTarget: number },
): Promise<Survey> {
  const indexed = await needed.renew(repository);
  const stored = await packsIn(repository);
  const planned = planFor(indexed, needed, options);
  refuseMissing(planned.uses, stored);
  const orphans = await findOrphans(indexed, stored, lease?.id, options.graceSeconds);
  return { indexed, stored, ...planned, orphans };
}

/** Whether packs are to be copied, and others may go at once. */
function freesBeforeCopying({ indexed, stored, plan, orphans }: Survey, { graceSeconds }: PruneOptions): boolean {
  if (plan.repack.length === 0) return false;
  const atOnce = graceSeconds === 0 && plan.remove.length + orphans.length > 0;
  return atOnce || [...indexed.condemned].some((name) => stored.has(name));
}

/** Frames with little waste are copied as they are, unless too much stays then. */
function planFor(
  indexed: IndexedRepository,
  needed: Needed,
  {
    maxUnused,
    maxRepack,
    repackSmall,
    repackUncompressed = false,
    repackSmallerThan,
    repackTreesOnly = false,
    packTarget,
  }: PruneOptions & { readonly packTarget: number },
): { readonly uses: readonly PackUse[]; readonly plan: Plan; readonly tolerated: number } {
  const small = repackSmallerThan ?? (repackSmall ? packTarget * SMALL : 0);
  const limits = { maxUnused, maxRepack, small, uncompressed: repackUncompressed, treesOnly: repackTreesOnly };
  const planWith = (tolerated: number): ReturnType<typeof planFor> => {
    const uses = usesOf(indexed, needed, tolerated);
    return { uses, plan: makePlan(uses, indexed.condemned, limits), tolerated };
  };
  for (const tolerated of TOLERATED) {
    const lazy = planWith(tolerated);
    if (lazy.plan.enough) return lazy;
  }
  return planWith(0);
}

async function packsIn(repository: Repository): Promise<Map<string, ObjectInfo>> {
  const packs = new Map<string, ObjectInfo>();
  for await (const info of repository.store.list('data')) packs.set(info.name, info);
  return packs;
}

function refuseMissing(uses: readonly PackUse[], stored: ReadonlyMap<string, unknown>): void {
  const missing = uses.filter(({ name, neededBlobs }) => neededBlobs > 0 && !stored.has(name));
  const [first] = missing;
  if (first === undefined) return;
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  const message = `data/${first.name}${more}: missing, though snapshots need it; nothing is removed; run \`varve check\``;
  throw new VarveError('damaged', message);
}
