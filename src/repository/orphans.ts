import { decode } from '../bytes/msgpack.js';
import { asBuffer } from '../bytes/views.js';
import { FOOTER_LENGTH, openFooter } from '../crypto/footer.js';
import { openObject } from '../crypto/sealed.js';
import { type ErrorCode, VarveError } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import { frameAt, frameCount, type PackRecord, parsePackRecord } from '../format/pack-record.js';
import type { Store } from '../storage/store.js';
import { type IndexedRepository, indexedPack, loadIndex, writeIndex } from './index-store.js';
import { listLeases } from './leases.js';
import type { Repository } from './repository.js';

/** Reads what a pack holds from its own directory (SPEC.md section 9). */
export async function readPackRecord(repository: Repository, name: string, size: number): Promise<PackRecord> {
  const { store, keys } = repository;
  const path = `data/${name}`;
  if (size < FOOTER_LENGTH) throw new VarveError('damaged', `${path}: too short for a pack`);
  const footer = openFooter(keys, await readRange(store, name, size - FOOTER_LENGTH, FOOTER_LENGTH), path);
  const directoryEnd = footer.directoryOffset + footer.directoryLength;
  const stated = directoryEnd + footer.parityLength + FOOTER_LENGTH;
  if (stated !== size || (footer.parityLength > 0 && footer.parityOffset !== directoryEnd))
    throw new VarveError('damaged', `${path}: has ${size} bytes, and its footer speaks of ${stated}`);
  const sealed = await readRange(store, name, footer.directoryOffset, footer.directoryLength);
  const { plaintext, epoch } = openObject(keys, 'directory', sealed, path);
  const record = parsePackRecord(decode(plaintext, path), path);
  if (epoch !== footer.epoch || record.kind !== footer.kind)
    throw new VarveError('damaged', `${path}: its footer is not that of its directory`);
  const last = frameCount(record) > 0 ? frameAt(record, frameCount(record) - 1) : undefined;
  if (last !== undefined && last.offset + last.storedLength > footer.directoryOffset) {
    throw new VarveError('damaged', `${path}: its frames and its directory overlap`);
  }
  return record;
}

async function readRange(store: Store, name: string, offset: number, length: number): Promise<Buffer> {
  return asBuffer(await store.get('data', name, { offset, length }));
}

/** What stores packs that are worth to be listed when it was interrupted. */
const WRITERS: readonly string[] = ['backup', 'copy', 'rewrite', 'repair'];

/**
 * After a backup was interrupted (its lease is stale): lists the packs that it had stored but not listed, so that nothing is stored
 * twice (SPEC.md section 13). Then removes the stale lease.
 *
 * @returns the repository with its index read again if anything was found
 */
export async function adoptOrphans(
  repository: IndexedRepository,
): Promise<{ repository: IndexedRepository; adopted: number }> {
  const stale = (await listLeases(repository)).filter((each) => each.stale && WRITERS.includes(each.lease.operation));
  if (stale.length === 0) return { repository, adopted: 0 };
  const found: IndexedPack[] = [];
  for await (const { name, size } of repository.store.list('data')) {
    if (repository.packs.has(name) || repository.condemned.has(name)) continue;
    const record = await readPackRecord(repository, name, size).catch(ignoreDamage);
    if (record !== undefined) found.push(indexedPack(name, size, record));
  }
  if (found.length > 0) await writeIndex(repository, found);
  for (const { name } of stale) await repository.store.remove('locks', name);
  const indexed = found.length > 0 ? await loadIndex(repository) : repository;
  return { repository: indexed, adopted: found.length };
}

const UNREADABLE: readonly ErrorCode[] = ['damaged', 'not-found', 'role'];

/** A pack that is damaged, gone, or of an epoch that this key does not know is not adopted; `check` tells of it. */
function ignoreDamage(cause: unknown): undefined {
  const error = VarveError.from(cause);
  if (!UNREADABLE.includes(error.code)) throw error;
  return undefined;
}
