import { explainInterruption, isUnreadable } from '../errors/errors.js';
import { FORGOTTEN_PACKS, loadIndex } from '../repository/index/index-store.js';
import { ListedPacks } from '../repository/index/listed-packs.js';
import { exclusively } from '../repository/leases/exclusive.js';
import { type Repository, uncached } from '../repository/repository.js';
import { INTERRUPTED } from './interruption.js';
import type { RepairIndexOptions, RepairIndexResult } from './options.js';
import { PackSurvey } from './pack-survey.js';
import { rewriteIndex } from './rewrite-index.js';

/**
 * Makes the index say what the packs say (SPEC.md sections 10 and 13): lists packs that no index object lists, leaves out those that are gone, and
 * replaces index objects that are damaged or that speak otherwise of a pack than the pack does. Interrupted anywhere it leaves the repository as good as before.
 *
 * Condemnations that only an unreadable object knew of are lost, and that is safe:
 * - Nothing is deleted because of it: a prune deletes what the index condemns, and finds anew what nobody needs.
 * - A backup may rely on such a pack that is still there: it is listed, and as good as any. Should the old object come back from a copy of the
 *   store, it is replaced by name, and counts no more.
 * - A backup that began before the condemnation may rely on such a pack that is gone, and would have learned of it by the condemnation. It
 *   learns of it by FORGOTTEN_PACKS instead, and looks which of its packs are there.
 * Packs that are gone without having been condemned are condemned now, for the same reason.
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
      // One that cannot be read may be sound: nothing can be said of what it lists, and it must not be replaced.
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
  // Of whoever is revoked nothing is signed again that need not be: what only they list is read, but not relied on.
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
  };
  // What an unreadable pack holds may be listed nowhere else than in an object that would go: a prune would take it for one that nobody lists.
  if (survey.unreadable.length > 0) return { ...result, replaced: [], written: [] };
  if (dryRun === true || (replaced.size === 0 && survey.packs.length === 0)) return { ...result, written: [] };
  const written = await rewriteIndex(indexed, {
    replaced: [...replaced],
    unreadable: new Set(damaged),
    add: survey.packs,
    keep: (name) => survey.stored.has(name),
    condemn: [...survey.missing, FORGOTTEN_PACKS],
  });
  return { ...result, written };
}
