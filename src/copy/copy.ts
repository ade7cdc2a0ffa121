// Copies snapshots from one repository to another.
// One snapshot is copied in snapshot-copier.ts; the snapshots are chosen by the caller.

import { toHex } from '../bytes/hex.js';
import { type ErrorCode, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { DATA, TREE } from '../format/content.js';
import type { Snapshot } from '../format/snapshot.js';
import { type IndexedRepository, loadIndexToWrite } from '../repository/index/index-store.js';
import { loadAndAdopt } from '../repository/index/orphans.js';
import { HeldLease } from '../repository/leases/leases.js';
import type { Repository } from '../repository/repository.js';
import { SnapshotSession } from '../repository/rewriting/snapshot-session.js';
import { listSnapshots, type StoredSnapshot } from '../repository/snapshots/snapshots.js';
import type { RepositoryWriter, WriterOptions } from '../repository/writing/repository-writer.js';
import { compareTimes } from '../time/time.js';
import { type CopyProgress, type CopyTask, type RelatedCopy, SnapshotCopier } from './snapshot-copier.js';

/** Errors after which the other snapshots can still be copied. */
const ERRORS_OF_ONE_SNAPSHOT: readonly ErrorCode[] = ['damaged', 'not-found', 'incomplete'];

export type CopyEvent =
  /** The target already has the snapshot, as `copy`. */
  | { readonly kind: 'skipped'; readonly stored: StoredSnapshot; readonly copy: StoredSnapshot }
  | { readonly kind: 'begun'; readonly stored: StoredSnapshot }
  /** An entry that cannot be read. The copy lacks it. */
  | { readonly kind: 'lost'; readonly stored: StoredSnapshot; readonly error: VarveError }
  | { readonly kind: 'copied'; readonly stored: StoredSnapshot; readonly id: string }
  | { readonly kind: 'failed'; readonly stored: StoredSnapshot; readonly error: VarveError };

export interface CopyOptions extends Pick<WriterOptions, 'compression' | 'packTarget'> {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: CopyEvent) => void;
  /** Called with each object of the target's index that is skipped because it is damaged or foreign. */
  readonly onIndexDamage?: (error: VarveError) => void;
  readonly onProgress?: (progress: CopyProgress) => void;
}

export interface CopyResult {
  readonly copied: number;
  readonly skipped: number;
  readonly failed: number;
  /** Entries that copies lack because they cannot be read. */
  readonly lost: number;
  /** Blobs that the target did not have. */
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/**
 * Copies snapshots to another repository, without what it already has. Files keep their chunk boundaries. All data are encrypted and named
 * with the target's keys. Needs a full key of the source; an append key of the target is enough.
 *
 * @param chosen snapshots to copy, all of them in `all`, oldest first
 * @throws VarveError `role`, `usage` when both are the same repository, `interrupted`, or the error that makes storing impossible
 */
export async function copySnapshots(
  source: IndexedRepository,
  target: Repository,
  { all, chosen }: { readonly all: readonly StoredSnapshot[]; readonly chosen: readonly StoredSnapshot[] },
  options: CopyOptions,
): Promise<CopyResult> {
  source.keys.requireRole('full', 'copy from this repository');
  if (source.config.repository.equals(target.config.repository))
    throw new VarveError('usage', 'both are the same repository: there is nothing to copy');
  const lease = await HeldLease.acquire(target, 'copy');
  try {
    const { snapshots } = await listSnapshots(target);
    const { repository } = await loadAndAdopt(target, options.onIndexDamage);
    return await new CopyRun(source, repository, all, snapshots, options).copy(chosen);
  } finally {
    await lease.release();
  }
}

class CopyRun {
  /** Copies in the target, by the id of their first original. */
  readonly #copies: ReadonlyMap<string, readonly StoredSnapshot[]>;
  /** Pairs of a source snapshot and its copy, from which the ids of contents can be learned. */
  readonly #related: readonly RelatedCopy[];
  readonly #options: CopyOptions;
  readonly #session: SnapshotSession<CopyTask>;
  readonly #writers: RepositoryWriter[] = [];
  #lost = 0;

  constructor(
    source: IndexedRepository,
    target: IndexedRepository,
    all: readonly StoredSnapshot[],
    copies: readonly StoredSnapshot[],
    options: CopyOptions,
  ) {
    this.#copies = byOriginal(copies);
    this.#related = relatedCopies(all, this.#copies, toHex(target.identity.certificate.slot));
    this.#options = options;
    let loaded: IndexedRepository | undefined = target;
    this.#session = new SnapshotSession<CopyTask>({
      operation: 'copy',
      compression: options.compression,
      packTarget: options.packTarget,
      largestBlob: source.config.data.max,
      load: async () => {
        const indexed = loaded ?? (await loadIndexToWrite(target));
        loaded = undefined;
        return indexed;
      },
      begin: (writer) => {
        this.#writers.push(writer);
        return new SnapshotCopier(source, writer, {
          ...options,
          onLost: (stored, error) => {
            this.#lost++;
            options.onEvent?.({ kind: 'lost', stored, error });
          },
        });
      },
    });
  }

  async copy(chosen: readonly StoredSnapshot[]): Promise<CopyResult> {
    const { signal, onEvent } = this.#options;
    const counts = { copied: 0, skipped: 0, failed: 0 };
    try {
      for (const stored of chosen) {
        throwIfInterrupted(signal);
        const copy = this.#copies.get(originalOf(stored))?.find(({ snapshot }) => isCopy(snapshot, stored.snapshot));
        if (copy === undefined) onEvent?.({ kind: 'begun', stored });
        const event: CopyEvent = copy === undefined ? await this.#copyOne(stored) : { kind: 'skipped', stored, copy };
        if (event.kind !== 'begun' && event.kind !== 'lost') counts[event.kind]++;
        onEvent?.(event);
      }
    } finally {
      await this.#session.close();
    }
    return { ...counts, lost: this.#lost, ...this.#stored() };
  }

  async #copyOne(stored: StoredSnapshot): Promise<CopyEvent> {
    try {
      const made = await this.#session.write({ stored, related: nearest(this.#related, stored.snapshot) });
      return { kind: 'copied', stored, id: made?.id as string };
    } catch (cause) {
      const error = VarveError.from(cause);
      if (!ERRORS_OF_ONE_SNAPSHOT.includes(error.code)) throw cause;
      return { kind: 'failed', stored, error };
    }
  }

  #stored(): Pick<CopyResult, 'dataBlobs' | 'treeBlobs' | 'rawBytes' | 'storedBytes'> {
    const sum = { dataBlobs: 0, treeBlobs: 0, rawBytes: 0, storedBytes: 0 };
    for (const { stored } of this.#writers) {
      sum.dataBlobs += stored[DATA].blobs;
      sum.treeBlobs += stored[TREE].blobs;
      sum.rawBytes += stored[DATA].rawBytes + stored[TREE].rawBytes;
      sum.storedBytes += stored[DATA].storedBytes + stored[TREE].storedBytes;
    }
    return sum;
  }
}

const originalOf = ({ id, snapshot }: StoredSnapshot): string => snapshot.original?.toString('hex') ?? id;

function byOriginal(snapshots: readonly StoredSnapshot[]): Map<string, StoredSnapshot[]> {
  const groups = new Map<string, StoredSnapshot[]>();
  for (const each of snapshots) {
    const original = originalOf(each);
    const group = groups.get(original);
    if (group === undefined) groups.set(original, [each]);
    else group.push(each);
  }
  return groups;
}

/** Pairs of snapshots and their copies. Leaves out copies that another key signed: its owner could have assigned false contents. */
function relatedCopies(
  all: readonly StoredSnapshot[],
  copies: ReadonlyMap<string, readonly StoredSnapshot[]>,
  ownSlot: string,
): RelatedCopy[] {
  return all.flatMap((source) =>
    (copies.get(originalOf(source)) ?? []).filter(({ slot }) => slot === ownSlot).map((copy) => ({ source, copy })),
  );
}

/** The last related snapshot of the same host and paths that is not newer; otherwise the newest of all. */
function nearest(related: readonly RelatedCopy[], snapshot: Snapshot): RelatedCopy | undefined {
  const alike = ({ source }: RelatedCopy): boolean =>
    compareTimes(source.snapshot.time, snapshot.time) <= 0 &&
    source.snapshot.host === snapshot.host &&
    samePaths(source.snapshot, snapshot);
  return related.findLast(alike) ?? related.at(-1);
}

const samePaths = (a: Snapshot, b: Snapshot): boolean =>
  a.paths.length === b.paths.length && a.paths.every((path, at) => path.equals(b.paths[at] as Buffer));

const sameTexts = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((text, at) => text === b[at]);

/** Whether a snapshot with the same original is its copy. Compares metadata, because the ids of their trees differ anyway. */
function isCopy(copy: Snapshot, snapshot: Snapshot): boolean {
  return (
    compareTimes(copy.time, snapshot.time) === 0 &&
    copy.host === snapshot.host &&
    copy.user === snapshot.user &&
    copy.uid === snapshot.uid &&
    copy.gid === snapshot.gid &&
    samePaths(copy, snapshot) &&
    sameTexts(copy.tags, snapshot.tags) &&
    sameTexts(copy.excludes, snapshot.excludes) &&
    copy.summary?.total_files_processed === snapshot.summary?.total_files_processed &&
    copy.summary?.total_bytes_processed === snapshot.summary?.total_bytes_processed
  );
}
