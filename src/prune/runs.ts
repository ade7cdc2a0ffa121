import type { Buffer } from 'node:buffer';
import { listLeases, type StoredLease } from '../repository/leases.js';
import type { Repository } from '../repository/repository.js';

/**
 * Seconds between the time that a condemnation states and the moment from which on everybody sees it, at most: an operation that began before
 * that may not know of it.
 */
export const MARGIN_SECONDS = 15 * 60;

/** What is being done to the repository, but for this prune. @param own the id of its lease */
export async function otherLeases(repository: Repository, own: Buffer | undefined): Promise<StoredLease[]> {
  const leases = await listLeases(repository);
  return leases.filter(({ stale, lease }) => !stale && (own === undefined || !lease.id.equals(own)));
}

export const tellLease = ({ lease }: StoredLease): string =>
  `a ${lease.operation} by ${lease.user}@${lease.host}, process ${lease.pid}, since ${new Date(lease.since.seconds * 1000).toISOString()}`;
