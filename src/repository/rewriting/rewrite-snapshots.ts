// Rewrites snapshots one after another, and removes or keeps the old ones.
// What changes in a snapshot is left to the caller; retries after a prune to SnapshotSession.
import { Buffer } from 'node:buffer';
import { type ErrorCode, throwIfInterrupted, VarveError } from '../../errors/errors.js';
import type { Snapshot, SnapshotSummary } from '../../format/snapshot.js';
import type { IndexedRepository } from '../index/index-store.js';
import { HeldLease } from '../leases/leases.js';
import type { Repository } from '../repository.js';
import { removeSnapshot, type StoredSnapshot, shortId } from '../snapshots/snapshots.js';
import type { RepositoryWriter, WriterOptions } from '../writing/repository-writer.js';
import { SnapshotSession } from './snapshot-session.js';
import type { RewrittenDirectory } from './tree-rewriter.js';

/** Errors about one snapshot, after which the others are still rewritten. */
const ABOUT_ONE: readonly ErrorCode[] = ['damaged', 'not-found', 'incomplete', 'role'];

/** The result for one snapshot. */
export type RewriteEvent =
  | { readonly kind: 'unchanged'; readonly stored: StoredSnapshot }
  /** `id` is undefined for a dry run. */
  | { readonly kind: 'changed'; readonly stored: StoredSnapshot; readonly id: string | undefined }
  | { readonly kind: 'failed'; readonly stored: StoredSnapshot; readonly error: VarveError };

export interface RewriteOptions extends WriterOptions {
  /** Its name in leases and errors, such as `rewrite`. */
  readonly operation: string;
  /** A tag for new snapshots whose old one stays. */
  readonly tag: string;
  /** Removes each old snapshot once the new one is durable. */
  readonly forget: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RewriteEvent) => void;
  /** Reads the index. */
  readonly load: () => Promise<IndexedRepository>;
  /** As in SessionOptions. */
  readonly begin: (writer: RepositoryWriter) => { make(stored: StoredSnapshot): Promise<Snapshot | undefined> };
}

export interface RewriteResult {
  readonly changed: number;
  readonly failed: number;
}

/**
 * Writes a new snapshot for each one that changes. The new one names the first of its predecessors as its `original`.
 *
 * @throws VarveError `role` for an append key, `interrupted`, and errors that are not about one snapshot alone
 */
export async function rewriteSnapshots(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  options: RewriteOptions,
): Promise<RewriteResult> {
  const { operation, onEvent } = options;
  repository.keys.requireRole('manage', `${operation} snapshots`);
  const lease = options.dryRun === true ? undefined : await HeldLease.acquire(repository, operation);
  const session = new SnapshotSession<StoredSnapshot>({
    ...options,
    begin: (writer) => {
      const maker = options.begin(writer);
      return { make: async (stored) => named(await maker.make(stored), stored, options) };
    },
  });
  const result = { changed: 0, failed: 0 };
  try {
    for (const stored of snapshots) {
      throwIfInterrupted(options.signal);
      const event = await rewriteOne(repository, session, stored, options);
      if (event.kind !== 'unchanged') result[event.kind]++;
      onEvent?.(event);
    }
  } finally {
    await session.close();
    await lease?.release();
  }
  return result;
}

async function rewriteOne(
  repository: Repository,
  session: SnapshotSession<StoredSnapshot>,
  stored: StoredSnapshot,
  { forget, dryRun }: RewriteOptions,
): Promise<RewriteEvent> {
  try {
    const made = await session.write(stored);
    if (made === undefined) return { kind: 'unchanged', stored };
    if (forget && dryRun !== true && made.id !== stored.id) await removeOld(repository, stored.id, made.id as string);
    return { kind: 'changed', stored, id: made.id };
  } catch (cause) {
    const error = VarveError.from(cause);
    if (!ABOUT_ONE.includes(error.code)) throw cause;
    return { kind: 'failed', stored, error };
  }
}

async function removeOld(repository: Repository, id: string, newId: string): Promise<void> {
  try {
    await removeSnapshot(repository, id);
  } catch (cause) {
    const { message } = VarveError.from(cause);
    const reason = `snapshot ${shortId(newId)} was written, but the old one, ${shortId(id)}, could not be removed: ${message}`;
    throw new VarveError('incomplete', reason, { cause });
  }
}

function named(
  snapshot: Snapshot | undefined,
  { id }: StoredSnapshot,
  { forget, tag }: RewriteOptions,
): Snapshot | undefined {
  if (snapshot === undefined) return undefined;
  const tags = forget || snapshot.tags.includes(tag) ? snapshot.tags : [...snapshot.tags, tag];
  return { ...snapshot, tags, original: snapshot.original ?? Buffer.from(id, 'hex') };
}

const NO_COUNTS = {
  files_new: 0,
  files_changed: 0,
  files_unmodified: 0,
  dirs_new: 0,
  dirs_changed: 0,
  dirs_unmodified: 0,
  data_blobs: 0,
  tree_blobs: 0,
  data_added: 0,
  data_added_packed: 0,
};

/** The summary of a snapshot whose root is replaced by a rewritten directory. */
export function summaryOf(
  { summary, time }: Pick<Snapshot, 'summary' | 'time'>,
  { files, bytes }: RewrittenDirectory,
): SnapshotSummary {
  return {
    ...(summary ?? { ...NO_COUNTS, backup_start: time, backup_end: time }),
    total_files_processed: files,
    total_bytes_processed: bytes,
  };
}
