import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { Repository } from '../repository.js';
import { HeldLease, listLeases, type StoredLease, type UnreadLease } from './leases.js';

/**
 * Operations of which only one runs at a time: they delete packs or index objects, or rely on packs that another of them may be about to delete.
 * Nobody else waits for them, nor they for anybody else.
 */
export type ExclusiveOperation = 'prune' | 'repair index' | 'repair packs' | 'recover';

const EXCLUSIVE: ReadonlySet<string> = new Set<ExclusiveOperation>([
  'prune',
  'repair index',
  'repair packs',
  'recover',
]);

/**
 * Does something under a lease that tells others of it.
 *
 * @param action is given the lease, to be confirmed before anything is taken away
 * @param acquiring acquires the lease; may do something about a store that has no space for it
 * @throws VarveError `locked` while another such operation runs
 */
export async function exclusively<Result>(
  repository: Repository,
  operation: ExclusiveOperation,
  action: (lease: HeldLease) => Promise<Result>,
  acquiring: (acquire: () => Promise<HeldLease>) => Promise<HeldLease> = (acquire) => acquire(),
): Promise<Result> {
  const lease = await acquiring(() => HeldLease.acquire(repository, operation));
  try {
    // The lease first: of two that begin at once, each sees the other.
    await refuseOther(repository, operation, lease.id);
    return await action(lease);
  } finally {
    await lease.release();
  }
}

export const isExclusive = ({ lease }: StoredLease): boolean => EXCLUSIVE.has(lease.operation);

async function refuseOther(repository: Repository, operation: ExclusiveOperation, own: Buffer): Promise<void> {
  const other = (await otherLeases(repository, own)).find(isExclusive);
  if (other === undefined) return;
  const what = other.lease.operation === operation ? `another ${operation}` : other.lease.operation;
  throw new VarveError('locked', `${what} is at work: ${describeLease(other)}; wait for it, or run it again later`);
}

/**
 * Fails while an operation runs that may delete packs.
 *
 * @throws VarveError `locked`
 */
export async function refuseBesideDeletion(repository: Repository, reason: string): Promise<void> {
  const other = (await otherLeases(repository, undefined)).find(({ lease }) => EXCLUSIVE.has(lease.operation));
  if (other === undefined) return;
  throw new VarveError('locked', `${reason}, and ${describeLease(other)} may delete packs: run it again later`);
}

/**
 * What is being done to the repository, but for what has the lease with the id `own`.
 *
 * @throws VarveError `locked` when somebody may hold a lease that cannot be read
 */
export async function otherLeases(repository: Repository, own: Buffer | undefined): Promise<StoredLease[]> {
  const unread: UnreadLease[] = [];
  const leases = await listLeases(repository, { onUnread: (lease) => unread.push(lease) });
  const held = unread.find(({ stale }) => !stale);
  if (held !== undefined) throw unreadLease(held);
  return leases.filter(({ stale, lease }) => !stale && (own === undefined || !lease.id.equals(own)));
}

function unreadLease({ error }: UnreadLease): VarveError {
  const message = `a lease cannot be read, so nobody knows what its holder relies on: ${error.message}; wait for 30 minutes, or remove it with \`varve unlock --remove-all\``;
  return new VarveError('locked', message, { cause: error });
}

export const describeLease = ({ lease }: StoredLease): string =>
  `a ${lease.operation} by ${lease.user}@${lease.host}, process ${lease.pid}, since ${new Date(lease.since.seconds * 1000).toISOString()}`;
