import { toHex } from '../bytes/hex.js';
import { type ErrorCode, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { DATA, TREE } from '../format/content.js';
import type { Snapshot } from '../format/snapshot.js';
import { compareTimes } from '../format/time.js';
import { type IndexedRepository, loadIndexToWrite } from '../repository/index/index-store.js';
import { loadAndAdopt } from '../repository/index/orphans.js';
import { HeldLease } from '../repository/leases/leases.js';
import type { Repository } from '../repository/repository.js';
import { SnapshotSession } from '../repository/rewriting/snapshot-session.js';
import { listSnapshots, type StoredSnapshot } from '../repository/snapshots/snapshots.js';
import type { RepositoryWriter, WriterOptions } from '../repository/writing/repository-writer.js';
import { Copying, type CopyOrder, type CopyProgress, type RelatedCopy } from './copying.js';

/** What may be wrong with one snapshot alone. */
const OF_ONE: readonly ErrorCode[] = ['damaged', 'not-found', 'incomplete'];

export type CopyEvent =
  /** The target has it already: `copy`. */
  | { readonly kind: 'skipped'; readonly stored: StoredSnapshot; readonly copy: StoredSnapshot }
  | { readonly kind: 'begun'; readonly stored: StoredSnapshot }
  /** An entry that cannot be read, which the copy lacks. */
  | { readonly kind: 'lost'; readonly stored: StoredSnapshot; readonly error: VarveError }
  | { readonly kind: 'copied'; readonly stored: StoredSnapshot; readonly id: string }
  | { readonly kind: 'failed'; readonly stored: StoredSnapshot; readonly error: VarveError };

export interface CopyOptions extends Pick<WriterOptions, 'compression' | 'packTarget'> {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: CopyEvent) => void;
  /** Is told of each part of the target's index that is passed over, as it is damaged or foreign. */
  readonly onIndexDamage?: (error: VarveError) => void;
  readonly onProgress?: (progress: CopyProgress) => void;
}

export interface CopyResult {
  readonly copied: number;
  readonly skipped: number;
  readonly failed: number;
  /** Entries that copies lack, as they cannot be read. */
  readonly lost: number;
  /** What the target had not got. */
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/**
 * Copies snapshots to another repository: what that has not got yet. Contents stay as they are cut; everything is encrypted anew, and named
 * with the target's key. Needs a full key of the source; one that may append is enough for the target.
 *
 * @param chosen of all the source's snapshots, oldest first
 * @throws VarveError `role`, `usage` when both are one repository, `interrupted`, and what keeps anything from being stored
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
  /** Copies that the target has, by the first of the snapshots that they were made of. */
  readonly #copies: ReadonlyMap<string, readonly StoredSnapshot[]>;
  /** Those whose contents can be learnt from. */
  readonly #related: readonly RelatedCopy[];
  readonly #options: CopyOptions;
  readonly #session: SnapshotSession<CopyOrder>;
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
    this.#session = new SnapshotSession<CopyOrder>({
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
        return new Copying(source, writer, {
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
      if (!OF_ONE.includes(error.code)) throw cause;
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

/** Of copies that another key signed none: whoever has that could have given contents wrong names. */
function relatedCopies(
  all: readonly StoredSnapshot[],
  copies: ReadonlyMap<string, readonly StoredSnapshot[]>,
  ownSlot: string,
): RelatedCopy[] {
  return all.flatMap((source) =>
    (copies.get(originalOf(source)) ?? []).filter(({ slot }) => slot === ownSlot).map((copy) => ({ source, copy })),
  );
}

/** The last of the same host and paths that is not newer; else the newest of all. */
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

/** Whether a snapshot with the same original says the same of itself, as a copy does. Their trees cannot be compared by name. */
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
