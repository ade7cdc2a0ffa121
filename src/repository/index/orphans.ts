import { equalBytes } from '../../bytes/views.js';
import type { Certificate } from '../../crypto/certificate.js';
import { isRevoked } from '../../crypto/signed.js';
import { isAboutObject, type VarveError } from '../../errors/errors.js';
import type { IndexedPack } from '../../format/index-object.js';
import { listLeases } from '../leases/leases.js';
import { readPackDirectory, verifyPack } from '../packs/pack-directory.js';
import type { Repository } from '../repository.js';
import { type IndexedRepository, indexedPack, loadIndexToWrite, writeIndex } from './index-store.js';
import { originOfRead } from './trust.js';

/** Operations that store packs. If one is interrupted, those packs can be used again. */
const WRITERS: readonly string[] = ['backup', 'copy', 'rewrite', 'repair'];

/**
 * Loads the index for a command that stores packs. A stale lease shows that another one was interrupted. Then this lists the packs that
 * it had stored but not listed, so that nothing is stored twice (SPEC.md section 13), and removes the lease. A key adopts only what it may
 * vouch for.
 *
 * @param onDamage gets each index object that is skipped
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
  const stale = leases.filter(
    (each) => each.stale && WRITERS.includes(each.lease.operation) && mayAdopt(bare, each.signer),
  );
  if (stale.length === 0) return { repository, adopted: 0 };
  const found: IndexedPack[] = [];
  for await (const { name, size } of repository.store.list('data')) {
    if (repository.packs.has(name) || repository.condemned.has(name)) continue;
    const pack = await adopted(repository, name, size).catch(unlessAboutPack);
    if (pack !== undefined) found.push(pack);
  }
  if (found.length > 0) await writeIndex(repository, found);
  for (const { name } of stale) await repository.store.remove('locks', name);
  const indexed = found.length > 0 ? await loadIndexToWrite(repository) : repository;
  return { repository: indexed, adopted: found.length };
}

/** Whether this key may list packs that a slot assembled: its own, and those of a key that it trusts as much as itself. */
function mayAdopt({ keys, identity }: Repository, { role, slot }: Certificate): boolean {
  if (equalBytes(slot, identity.slot)) return true;
  return keys.role !== 'append' && role !== 'append' && !isRevoked(keys, slot);
}

/** Reads the whole pack: its directory alone may have been copied from another pack. @returns undefined when another key assembled it */
async function adopted(repository: IndexedRepository, name: string, size: number): Promise<IndexedPack | undefined> {
  const { signer } = await readPackDirectory(repository, name, size);
  if (!mayAdopt(repository, signer)) return undefined;
  const { record } = await verifyPack(repository, name, await repository.store.get('data', name));
  return indexedPack(name, size, record, originOfRead(signer, repository));
}

/** Does not adopt a pack that is damaged, gone, unreadable, or of an epoch that this key does not know. `check` reports it. */
function unlessAboutPack(cause: unknown): undefined {
  if (!isAboutObject(cause)) throw cause;
  return undefined;
}
