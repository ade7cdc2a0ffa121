import type { Buffer } from 'node:buffer';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { listLeases, type UnreadLease } from '../repository/leases/leases.js';
import type { ObjectInfo } from '../storage/store.js';
import { MARGIN_SECONDS } from './margin.js';

/** Seconds for which a pack that no index lists stays, at most: a backup may be about to list it. */
const ORPHAN_SECONDS = 24 * 3600;

/**
 * Packs that no index lists, and that nobody is about to list: an interrupted backup left them. Where the store does not tell how old they are (REST
 * does not), nobody is when there is no lease; a stale one, too, means that the next backup looks for them.
 */
export async function findOrphans(
  { store, packs, condemned, ...repository }: IndexedRepository,
  stored: ReadonlyMap<string, ObjectInfo>,
  own: Buffer | undefined,
  graceSeconds: number,
): Promise<string[]> {
  const unlisted = [...stored.values()].filter(({ name }) => !packs.has(name) && !condemned.has(name));
  if (unlisted.length === 0) return [];
  const now = await store.now();
  const unread: UnreadLease[] = [];
  const leases = await listLeases({ store, ...repository }, { onUnread: (lease) => unread.push(lease) });
  if (unread.some(({ stale }) => !stale)) return [];
  const others = leases.filter(({ lease }) => own?.equals(lease.id) !== true);
  const running = others.filter(({ stale }) => !stale);
  const began = Math.min(...running.map(({ lease }) => lease.since.seconds - MARGIN_SECONDS));
  const age = Math.min(graceSeconds, ORPHAN_SECONDS);
  const isOrphan = ({ modified }: ObjectInfo): boolean =>
    modified === undefined ? others.length === 0 : now - modified >= age && modified < began;
  return unlisted.filter(isOrphan).map(({ name }) => name);
}
