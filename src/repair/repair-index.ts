import { explainInterruption, isUnreadable } from '../errors/errors.js';
import { FORGOTTEN_PACKS, loadIndex } from '../repository/index/index-store.js';
import { ListedPacks } from '../repository/index/listed-packs.js';
import { rewriteIndex } from '../repository/index/rewrite-index.js';
import { exclusively } from '../repository/leases/exclusive.js';
import { type Repository, uncached } from '../repository/repository.js';
import { INTERRUPTED } from './interruption.js';
import type { RepairIndexOptions, RepairIndexResult } from './options.js';
import { PackSurvey } from './pack-survey.js';
import { readAdded } from './read-added.js';

/**
 * Makes the index agree with the packs (SPEC.md sections 10 and 13). It lists packs that no index object lists, removes packs that are gone, and
 * replaces index objects that are damaged or contradict a pack. Then it reads the packs that it has listed by their directories.
 * An interruption anywhere leaves the repository no worse than before.
 *
 * Condemnations that only a damaged index object held are lost. That is safe:
 * - Nothing is deleted because of it: a prune deletes only condemned packs, and condemns unneeded packs again.
 * - A backup may rely on such a pack while it exists: the index lists it. If the old index object comes back from a copy of the store, the
 *   new one replaces it by name.
 * - A backup that began before the condemnation may rely on such a pack that has been deleted. The condemnation would have warned it.
 *   FORGOTTEN_PACKS warns it instead, and the backup checks which of its packs exist.
 * Packs that are gone and were not condemned are condemned now, for the same reason.
 *
 * @throws VarveError `role` for an append key, `locked` while a prune or another repair runs, `interrupted`
 */
export async function repairIndex(cached: Repository, options: RepairIndexOptions = {}): Promise<RepairIndexResult> {
  cached.keys.requireRole('manage', 'repair the index');
  const repository = uncached(cached);
  return explainInterruption(INTERRUPTED, () => {
    if (options.dryRun === true) return repair(repository, options);
    return exclusively(repository, 'repair index', () => repair(repository, options));
  });
}

async function repair(repository: Repository, options: RepairIndexOptions): Promise<RepairIndexResult> {
  const { onEvent, dryRun, readAllPacks } = options;
  const damaged: string[] = [];
  const listed = new ListedPacks();
  const own = new Set<string>();
  const indexed = await loadIndex(repository, {
    onDamage: (error, name) => {
      // An object that cannot be read may be sound. What it lists is unknown, so it must not be replaced.
      if (isUnreadable(error)) throw error;
      damaged.push(name);
      onEvent?.({ kind: 'damaged-index', message: error.message });
    },
    inspect: (object) => {
      listed.add(object);
      if (!object.revoked) own.add(object.name);
    },
  });
  const survey = new PackSurvey(indexed, listed, own, options);
  await survey.run();
  // What only revoked keys list is readable but not relied on, so it is not signed again without need.
  const replaced = new Set([...damaged, ...survey.wrong, ...(readAllPacks === true ? own : [])]);
  const result = {
    packs: survey.stored.size,
    added: survey.added,
    corrected: survey.corrected,
    missing: survey.missing.length,
    damagedPacks: survey.damaged,
    unreadablePacks: survey.unreadable,
    damagedObjects: damaged.length,
    replaced: [...replaced],
    vouched: 0,
    unvouched: 0,
  };
  // An object that would be deleted may be the only one that lists an unreadable pack. A prune would then remove that pack as an orphan.
  if (survey.unreadable.length > 0) return { ...result, replaced: [], written: [] };
  if (dryRun === true || (replaced.size === 0 && survey.packs.length === 0)) return { ...result, written: [] };
  const corrected = new Set(survey.packs.map(({ name }) => name.toString('hex')));
  const written = await rewriteIndex(indexed, {
    replaced: [...replaced],
    unreadable: new Set(damaged),
    add: survey.packs,
    keep: (name) => survey.stored.has(name) && !corrected.has(name),
    condemn: [...survey.missing, FORGOTTEN_PACKS],
  });
  return { ...result, written, ...(await readAdded(repository, options)) };
}
