import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { exclusively } from '../repository/exclusive.js';
import type { IndexedRepository } from '../repository/index-store.js';
import { type HeldLease, listLeases } from '../repository/leases.js';
import { PACK_TARGET } from '../repository/pack-writer.js';
import type { Repository } from '../repository/repository.js';
import type { ObjectInfo } from '../storage/store.js';
import { condemn } from './condemn.js';
import { extendLocks } from './locks.js';
import { MARGIN_SECONDS } from './margin.js';
import { NeededBlobs } from './needed.js';
import type { PruneOptions, PruneResult } from './options.js';
import { makePlan, type Needed, type PackUse, type Plan, usesOf } from './plan.js';
import { removeCondemned } from './remove.js';
import { resultOf } from './result.js';

/** Seconds for which a pack that no index lists stays, at most: a backup may be about to list it. */
const ORPHAN_SECONDS = 24 * 3600;
/**
 * The part of a frame that is waste from which on it is opened and what is needed put to others, which takes longer than to copy it: the first with
 * which little enough stays.
 */
const TOLERATED = [0.25, 0.125];
/** Packs smaller than this part of what they should be are put together. */
const SMALL = 0.8;

/**
 * Removes what no snapshot needs, in two phases (SPEC.md section 13), without keeping anybody from anything: packs are condemned first, after
 * what is needed of them was copied; once the grace time has passed and nothing runs that began before, they are deleted.
 *
 * @throws VarveError `role` for an append key, `locked` while another prune or a repair runs, `damaged` when anything that snapshots need cannot be
 * found: then nothing is removed
 */
export async function prune(repository: Repository, options: PruneOptions): Promise<PruneResult> {
  repository.keys.requireRole(options.repackUncompressed === true ? 'full' : 'manage', 'prune');
  if (options.dryRun) return pruneAs(repository, options, undefined);
  return exclusively(repository, 'prune', (lease) => pruneAs(repository, options, lease));
}

/** @param lease undefined for a dry run */
async function pruneAs(
  repository: Repository,
  options: PruneOptions,
  lease: HeldLease | undefined,
): Promise<PruneResult> {
  const needed = new NeededBlobs(options);
  const indexed = await needed.renew(repository);
  const stored = await packsIn(repository);
  const packTarget = options.packTarget ?? PACK_TARGET;
  const { uses, plan, tolerated } = planFor(indexed, needed, { ...options, packTarget });
  refuseMissing(uses, stored);
  const orphans = await findOrphans(indexed, stored, lease?.id, options.graceSeconds);
  const result = resultOf(uses, plan, indexed.condemned, orphans, stored);
  options.onEvent?.({ kind: 'planned', result });
  if (lease === undefined) return result;
  await condemn(indexed, needed, plan, orphans, stored, { ...options, packTarget, tolerated, lease }, result);
  const left = await removeCondemned(repository, needed, lease, stored, options, result);
  await extendLocks(left, options, result);
  return result;
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
    packTarget,
  }: PruneOptions & { readonly packTarget: number },
): { readonly uses: readonly PackUse[]; readonly plan: Plan; readonly tolerated: number } {
  const small = repackSmall ? packTarget * SMALL : 0;
  const limits = { maxUnused, maxRepack, small, uncompressed: repackUncompressed };
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

/**
 * Packs that no index lists, and that nobody is about to list: an interrupted backup left them. Where the store does not tell how old they are (REST
 * does not), nobody is when there is no lease; a stale one, too, means that the next backup looks for them.
 */
async function findOrphans(
  { store, packs, condemned, ...repository }: IndexedRepository,
  stored: ReadonlyMap<string, ObjectInfo>,
  own: Buffer | undefined,
  graceSeconds: number,
): Promise<string[]> {
  const unlisted = [...stored.values()].filter(({ name }) => !packs.has(name) && !condemned.has(name));
  if (unlisted.length === 0) return [];
  const now = await store.now();
  const others = (await listLeases({ store, ...repository })).filter(({ lease }) => own?.equals(lease.id) !== true);
  const running = others.filter(({ stale }) => !stale);
  const began = Math.min(...running.map(({ lease }) => lease.since.seconds - MARGIN_SECONDS));
  const age = Math.min(graceSeconds, ORPHAN_SECONDS);
  const isOrphan = ({ modified }: ObjectInfo): boolean =>
    modified === undefined ? others.length === 0 : now - modified >= age && modified < began;
  return unlisted.filter(isOrphan).map(({ name }) => name);
}
