// Counts what a worker does with each path, and reports it to the main thread.
// What is done is decided in entry-storer.ts, lister.ts and walker.ts.
import type { Buffer } from 'node:buffer';
import { isAboutObject, VarveError } from '../errors/errors.js';
import type { BadEntry } from '../format/entry-reader.js';
import { joinPath } from '../format/path.js';
import { isUnlisted } from '../repository/reading/blob-reader.js';
import { type CounterName, count } from './counters.js';
import { readFailure } from './file-storer.js';
import type { ItemAction, ItemReport, Note, WorkerInit } from './messages.js';
import { SourceTally } from './source-tally.js';

const TORN = 'changed while it was read: it is stored as it was read, and will be read again next time';

/** What the backup did with an entry that it stored. */
export type StoredAction = Exclude<ItemAction, 'excluded'>;

/** What an entry added to the repository, and the time that it took. */
type Cost = Partial<Omit<ItemReport, 'kind' | 'path' | 'directory' | 'action' | 'size' | 'rule'>>;

const NO_COST = { dataAdded: 0, dataStored: 0, metadataAdded: 0, metadataStored: 0, seconds: 0 };

type ActionCounters = Readonly<Record<StoredAction, CounterName>>;
const FILES: ActionCounters = { new: 'filesNew', changed: 'filesChanged', unmodified: 'filesUnmodified' };
const OTHERS: ActionCounters = { new: 'othersNew', changed: 'othersChanged', unmodified: 'othersUnmodified' };
const DIRECTORIES: ActionCounters = { new: 'dirsNew', changed: 'dirsChanged', unmodified: 'dirsUnmodified' };

/** The part of a file that is counted and reported. */
interface ReportedFile {
  readonly size: number;
  /** Bytes to count as processed that were not counted while they were read. */
  readonly uncounted: number;
}

/** The reports of one worker. */
export class BackupReporter {
  /** Whether every path is reported, for `--verbose`. */
  readonly verbose: boolean;
  readonly #counters: Float64Array;
  readonly #tally: SourceTally;
  readonly #note: (note: Note) => void;

  constructor(init: Pick<WorkerInit, 'counters' | 'tally' | 'verbose'>, note: (note: Note) => void) {
    this.verbose = init.verbose;
    this.#counters = init.counters;
    this.#tally = new SourceTally(init.tally);
    this.#note = note;
  }

  /** Counts bytes that were read; negative to take them back. */
  countBytes(bytes: number): void {
    count(this.#counters, 'bytes', bytes);
  }

  /** Counts an entry with attributes. A mount of a snapshot without any need not look for them. */
  countXattrs(): void {
    count(this.#counters, 'withXattrs');
  }

  /** @param directory the path that the file is in: the same object for all its files */
  file(
    directory: Buffer,
    path: () => Buffer,
    action: StoredAction,
    { size, uncounted }: ReportedFile,
    cost?: () => Cost,
  ): void {
    count(this.#counters, FILES[action]);
    count(this.#counters, 'bytes', uncounted);
    this.#tally.add(directory, path, size);
    if (this.verbose) this.#item(path(), { directory: false, action, size }, cost?.());
  }

  /** A link, FIFO, socket or device. */
  other(directory: Buffer, path: () => Buffer, action: StoredAction): void {
    count(this.#counters, OTHERS[action]);
    this.#tally.add(directory, path, 0);
    if (this.verbose) this.#item(path(), { directory: false, action, size: 0 });
  }

  /** @param isRoot the snapshot's root directory is reported but not counted */
  directory(path: Buffer, isRoot: boolean, action: StoredAction, cost?: () => Cost): void {
    if (!isRoot) count(this.#counters, DIRECTORIES[action]);
    if (this.verbose) this.#item(path, { directory: true, action, size: 0 }, cost?.());
  }

  reportExcluded(path: Buffer, rule: string): void {
    if (this.verbose) this.#item(path, { directory: false, action: 'excluded', size: 0, rule });
  }

  /** Reports a path that could not be read. @throws the cause, when it is not about the path */
  reportError(path: Buffer, cause: unknown, during: 'scan' | 'archival'): void {
    const message = readFailure(cause);
    count(this.#counters, 'errors');
    this.#tally.fail(path);
    this.#note({ kind: 'error', path, message, during });
  }

  /** Reports attributes that could not be read. @throws the cause, when it is not about the path */
  reportUnreadXattrs(path: () => Buffer, cause: unknown): void {
    count(this.#counters, 'errors');
    const message = `its attributes and ACLs are left out: ${readFailure(cause)}`;
    this.#note({ kind: 'error', path: path(), message, during: 'archival' });
  }

  /** Reports a file that changed while it was read. */
  reportTorn(path: Buffer): void {
    this.#note({ kind: 'changed', path, message: TORN });
  }

  /**
   * Reports that the parent snapshot's data for a path cannot be read, so that the files themselves are. This is an error, because the new
   * snapshot may share damaged blobs; but only a warning when the index does not list them, because they are then stored again.
   *
   * @throws the cause, when it is another error
   */
  reportUnreadableParent(path: Buffer, cause: unknown): void {
    if (!(cause instanceof VarveError && isAboutObject(cause))) throw cause;
    // The `append` role cannot read what others wrote, nor its own data when the cache is lost.
    if (cause.code === 'role') return;
    const message = `cannot be compared with the parent snapshot: ${cause.message}`;
    if (isUnlisted(cause))
      return this.#note({ kind: 'changed', path, message: `${message}; it is read and stored again` });
    count(this.#counters, 'errors');
    this.#note({ kind: 'error', path, message, during: 'scan' });
  }

  /** Warns of an entry of the parent snapshot that cannot be read. No error: the new snapshot shares nothing with it. */
  reportBadParentEntry(directory: Buffer, { name, error }: BadEntry): void {
    const path = name === undefined ? directory : joinPath(directory, name);
    const message = `the parent snapshot's entry cannot be read; the file is read again: ${error.message}`;
    this.#note({ kind: 'changed', path, message });
  }

  #item(path: Buffer, item: Pick<ItemReport, 'directory' | 'action' | 'size' | 'rule'>, cost: Cost = NO_COST): void {
    this.#note({ kind: 'item', path, ...item, ...NO_COST, ...cost });
  }
}
