import { isAboutObject, type VarveError } from '../../errors/errors.js';
import type { IndexedPack } from '../../format/index-object.js';
import { listLeases } from '../leases/leases.js';
import { readPackRecord } from '../packs/pack-directory.js';
import type { Repository } from '../repository.js';
import { type IndexedRepository, indexedPack, loadIndexToWrite, writeIndex } from './index-store.js';

/** What stores packs that are worth to be listed when it was interrupted. */
const WRITERS: readonly string[] = ['backup', 'copy', 'rewrite', 'repair'];

/**
 * The index for who is about to store something. After a backup was interrupted (its lease is stale) the packs that it had stored but not listed are
 * listed now, so that nothing is stored twice (SPEC.md section 13), and the stale lease is removed.
 *
 * @param onDamage is told of each part of the index that is passed over
 * @throws VarveError as `loadIndexToWrite`
 */
export async function loadAndAdopt(
  bare: Repository,
  onDamage?: (error: VarveError) => void,
): Promise<{ repository: IndexedRepository; adopted: number }> {
  const [repository, leases] = await Promise.all([
    loadIndexToWrite(bare, onDamage, true),
    listLeases(bare, { once: true }),
  ]);
  const stale = leases.filter((each) => each.stale && WRITERS.includes(each.lease.operation));
  if (stale.length === 0) return { repository, adopted: 0 };
  const found: IndexedPack[] = [];
  for await (const { name, size } of repository.store.list('data')) {
    if (repository.packs.has(name) || repository.condemned.has(name)) continue;
    const record = await readPackRecord(repository, name, size).catch(unlessAboutPack);
    if (record !== undefined) found.push(indexedPack(name, size, record));
  }
  if (found.length > 0) await writeIndex(repository, found);
  for (const { name } of stale) await repository.store.remove('locks', name);
  const indexed = found.length > 0 ? await loadIndexToWrite(repository) : repository;
  return { repository: indexed, adopted: found.length };
}

/** A pack that is damaged, gone, unreadable, or of an epoch that this key does not know is not adopted; `check` reports it. */
function unlessAboutPack(cause: unknown): undefined {
  if (!isAboutObject(cause)) throw cause;
  return undefined;
}
