// What the repository holds, and the plan made from it.
// The steps that carry the plan out are in condemn.ts and remove.ts.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { PACK_TARGET } from '../repository/packs/pack-writer.js';
import type { Repository } from '../repository/repository.js';
import type { ObjectInfo } from '../storage/store.js';
import type { KeptCopies } from './kept-copies.js';
import type { NeededBlobs } from './needed.js';
import type { PruneOptions } from './options.js';
import { findOrphans } from './orphans.js';
import { makePlan, type Needed, type PackUse, type Plan, usesOf } from './plan.js';

/**
 * A frame with at least this part of waste is opened, and its needed blobs go into new frames. That takes longer than copying the frame.
 * The first value is used with which little enough waste stays.
 */
const TOLERATED = [0.25, 0.125];
/** Packs smaller than this part of the target size are merged. */
const SMALL = 0.8;

/** What the repository holds, and what prune will do with it. */
export interface Survey {
  readonly indexed: IndexedRepository;
  /** Packs in the store, by name. */
  readonly stored: ReadonlyMap<string, ObjectInfo>;
  readonly uses: readonly PackUse[];
  readonly plan: Plan;
  /** Frames with less than this part of waste are copied whole. */
  readonly tolerated: number;
  /** Names of packs that no index object lists and that may be removed. */
  readonly orphans: readonly string[];
}

/**
 * @param copies what this prune has read so far; undefined for a dry run, which reads nothing
 * @param ownLease id of this prune's lease; undefined for a dry run
 * @throws VarveError `damaged` when the store lacks a pack that snapshots need
 */
export async function survey(
  repository: Repository,
  needed: NeededBlobs,
  options: PruneOptions,
  copies?: KeptCopies,
  ownLease?: Buffer,
): Promise<Survey> {
  const indexed = await needed.renew(repository);
  const stored = await packsIn(repository);
  copies?.giveUpMissing(indexed, stored);
  let planned = planFor(indexed, needed, options, copies);
  while ((await copies?.verify(indexed, planned.plan)) === true) planned = planFor(indexed, needed, options, copies);
  refuseMissing(planned.uses, stored);
  const orphans = await findOrphans(indexed, stored, ownLease, options.graceSeconds);
  return { indexed, stored, ...planned, orphans };
}

/** Copies frames with little waste whole, unless too much waste would stay. */
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
    packTarget = PACK_TARGET,
  }: PruneOptions,
  copies: KeptCopies | undefined,
): Pick<Survey, 'uses' | 'plan' | 'tolerated'> {
  const small = repackSmallerThan ?? (repackSmall ? packTarget * SMALL : 0);
  const limits = {
    maxUnused,
    maxRepack,
    small,
    uncompressed: repackUncompressed,
    treesOnly: repackTreesOnly,
    kept: copies?.kept,
  };
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
