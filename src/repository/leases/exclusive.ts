// Commands of which only one may run at a time, and commands that must not run beside those.
// What a lease is, and when it is stale, is left to leases.ts.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { Repository } from '../repository.js';
import { HeldLease, listLeases, type StoredLease, type UnreadLease } from './leases.js';

/**
 * Operations of which only one runs at a time: they delete packs or index objects, or rely on packs that another of them may be about to
 * delete. All other operations run beside them.
 */
export type ExclusiveOperation = 'prune' | 'repair index' | 'repair packs' | 'recover';

const EXCLUSIVE: ReadonlySet<string> = new Set<ExclusiveOperation>([
  'prune',
  'repair index',
  'repair packs',
  'recover',
]);

/**
 * Runs an exclusive operation under a lease.
 *
 * @param action gets the lease, and confirms it before it deletes anything
 * @param acquiring acquires the lease; may make space for it in a full store
 * @throws VarveError `locked` while another exclusive operation runs
 */
export async function exclusively<Result>(
  repository: Repository,
  operation: ExclusiveOperation,
  action: (lease: HeldLease) => Promise<Result>,
  acquiring: (acquire: () => Promise<HeldLease>) => Promise<HeldLease> = (acquire) => acquire(),
): Promise<Result> {
  const lease = await acquiring(() => HeldLease.acquire(repository, operation));
  try {
    // Takes the lease before it looks: of two that begin at once, each then sees the other.
    await refuseOther(repository, operation, lease.id);
    return await action(lease);
  } finally {
    await lease.release();
  }
}

/** An append key can run none of the exclusive operations, whatever its lease says. */
export const isExclusive = ({ lease, signer }: StoredLease): boolean =>
  signer.role !== 'append' && EXCLUSIVE.has(lease.operation);

async function refuseOther(repository: Repository, operation: ExclusiveOperation, own: Buffer): Promise<void> {
  const other = (await otherLeases(repository, own)).find(isExclusive);
  if (other === undefined) return;
  const what = other.lease.operation === operation ? `another ${operation}` : other.lease.operation;
  throw new VarveError('locked', `${what} is at work: ${describeLease(other)}; wait for it, or run it again later`);
}

/** @throws VarveError `locked` while an operation runs that may delete packs */
export async function refuseDuringDeletion(repository: Repository, reason: string): Promise<void> {
  const other = (await otherLeases(repository, undefined)).find(isExclusive);
  if (other === undefined) return;
  throw new VarveError('locked', `${reason}, and ${describeLease(other)} may delete packs: run it again later`);
}

/**
 * The leases of all running operations but the one with the id `own`.
 *
 * @throws VarveError `locked` when a lease cannot be read and may be held
 */
export async function otherLeases(repository: Repository, own: Buffer | undefined): Promise<StoredLease[]> {
  const unread: UnreadLease[] = [];
  const leases = await listLeases(repository, { onUnread: (lease) => unread.push(lease) });
  const held = unread.find(({ stale }) => !stale);
  if (held !== undefined) throw unreadLease(held);
  return leases.filter(({ stale, lease }) => !stale && (own === undefined || !lease.id.equals(own)));
}

function unreadLease({ error }: UnreadLease): VarveError {
  const message = `a lease cannot be read, so it is not known what its holder relies on: ${error.message}; wait for 30 minutes, or remove it with \`varve unlock --remove-all\``;
  return new VarveError('locked', message, { cause: error });
}

export const describeLease = ({ lease }: StoredLease): string =>
  `a ${lease.operation} by ${lease.user}@${lease.host}, process ${lease.pid}, since ${new Date(lease.since.seconds * 1000).toISOString()}`;
