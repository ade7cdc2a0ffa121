import type { Buffer } from 'node:buffer';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { listLeases, type UnreadLease } from '../repository/leases/leases.js';
import type { ObjectInfo } from '../storage/store.js';
import { MARGIN_SECONDS } from './margin.js';

/** Seconds for which a pack that no index object lists stays, at most: a running backup may list it. */
const ORPHAN_SECONDS = 24 * 3600;

/**
 * Packs that an interrupted backup left: no index object lists them, and no running command will. If the store does not report their age (REST
 * does not), they count only while there is no lease. Even a stale lease makes the next backup list them.
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
