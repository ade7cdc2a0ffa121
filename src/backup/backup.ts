import { Buffer } from 'node:buffer';
import { explainInterruption, throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import { checkTexts, type Snapshot, type SnapshotSummary } from '../format/snapshot.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { snapshotIdOf } from '../repository/snapshots/snapshots.js';
import { requireHost } from '../repository/snapshots/standing.js';
import { ATTEMPTS, commitSnapshot, underLease } from '../repository/writing/commit.js';
import { type Time, timeFromMillis } from '../time/time.js';
import { BackupRun } from './backup-run.js';
import type { BackupOptions, BackupResult } from './options.js';
import { findSuspects } from './suspects.js';

const INTERRUPTED = 'interrupted; what was stored is kept and will be found by the next backup';

/**
 * Backs up files and directories, or a stream. Packs, the index and the snapshot are each durable before the next is written.
 *
 * @throws VarveError `role` when the key may not back up the host, `source` when no source can be read, `interrupted` when the signal is aborted; the next backup reuses what
 * was stored by then
 */
export async function backup(repository: IndexedRepository, options: BackupOptions): Promise<BackupResult> {
  const { filter } = options;
  // Fails now rather than after hours of work.
  checkTexts({ ...options, excludes: [...filter.excludes, ...filter.iexcludes] });
  requireHost(repository.identity, options.host);
  const start = timeFromMillis(repository.clock());
  const attempt = (indexed: IndexedRepository) => attemptBackup(indexed, options, start);
  return explainInterruption(INTERRUPTED, async () => {
    if (options.dryRun === true) return (await attempt(repository)) as BackupResult;
    return underLease(repository, 'backup', 'bytes' in options.sources ? 1 : ATTEMPTS, attempt);
  });
}

/** @returns undefined, with no snapshot written, when a prune has condemned packs that this backup relies on */
async function attemptBackup(
  repository: IndexedRepository,
  options: BackupOptions,
  start: Time,
): Promise<BackupResult | undefined> {
  const run = new BackupRun(repository, options);
  try {
    const root = await run.store();
    throwIfInterrupted(options.signal);
    const summary = run.summary(start, timeFromMillis(repository.clock()));
    const sources = run.sources(root.paths);
    const suspects = findSuspects(root.paths, sources, options.earlierFigures ?? (() => undefined), options.maxShrink);
    if (sources.every(({ unreadable }) => unreadable))
      throw new VarveError('source', 'no snapshot was made: no source could be read');
    const snapshot = {
      ...describeSnapshot(options, root.content, root.paths, summary, options.time ?? start),
      sources,
      suspect: suspects.map(({ path }) => path),
    };
    const result = { snapshot, summary, errors: run.errors, suspects };
    if (isUnchanged(options, root.content)) return { ...result, id: undefined };
    if (options.dryRun === true) return { ...result, id: undefined, idIfStored: snapshotIdOf(repository, snapshot) };
    const id = await commitSnapshot(repository, run.sink, snapshot);
    return id === undefined ? undefined : { id, ...result };
  } finally {
    await run.close();
  }
}

function isUnchanged({ skipIfUnchanged, parent }: BackupOptions, root: ContentRef): boolean {
  const before = parent?.snapshot.root;
  return skipIfUnchanged === true && before !== undefined && before.depth === root.depth && before.ids.equals(root.ids);
}

function describeSnapshot(
  options: BackupOptions,
  root: ContentRef,
  paths: readonly Buffer[],
  summary: SnapshotSummary,
  time: Time,
): Snapshot {
  const { host, user, uid, gid, tags, filter, parent, program } = options;
  return {
    time,
    host,
    user,
    uid,
    gid,
    paths,
    tags,
    excludes: [...filter.excludes, ...filter.iexcludes],
    parent: parent && Buffer.from(parent.id, 'hex'),
    original: undefined,
    root,
    program,
    summary,
  };
}
