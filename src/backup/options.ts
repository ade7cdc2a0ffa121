// What a caller gives to a backup, and what it gets: options, events, progress, result.
// How the work is divided among threads is in messages.ts.
import type { Buffer } from 'node:buffer';
import type { Compression } from '../compression/policy.js';
import type { FilterSpec } from '../filesystem/filter.js';
import type { Snapshot, SnapshotSummary, SourceFigures } from '../format/snapshot.js';
import type { StoredSnapshot } from '../repository/snapshots/snapshots.js';
import type { Time } from '../time/time.js';
import type { Counters } from './counters.js';
import type { ChangeReport, ErrorReport, ItemReport } from './messages.js';
import type { Scanned } from './scan.js';
import type { Suspect } from './suspects.js';

/** A report of a running backup. */
export type BackupEvent = (Omit<ErrorReport, 'path'> | Omit<ChangeReport, 'path'> | Omit<ItemReport, 'path'>) & {
  readonly path: Buffer;
};

/** A stream to store as one file, such as a database dump. */
export interface StreamSource {
  /** Absolute path of the file in the snapshot. */
  readonly path: Buffer;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface BackupOptions {
  /** Files and directories, or one stream. */
  readonly sources: readonly Buffer[] | StreamSource;
  /** Absolute path that relative sources start from. */
  readonly directory: Buffer;
  readonly host: string;
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly tags: readonly string[];
  readonly filter: FilterSpec;
  /** The backup reuses the content of files that have not changed since this snapshot. */
  readonly parent: StoredSnapshot | undefined;
  readonly program: string;
  readonly compression: Compression;
  /** The snapshot's time. Default: now. */
  readonly time?: Time;
  readonly packTarget?: number;
  readonly threads?: number;
  readonly ignoreInode?: boolean;
  readonly ignoreCtime?: boolean;
  /** Also stores access times. */
  readonly withAtime?: boolean;
  /** Reads everything and stores nothing. */
  readonly dryRun?: boolean;
  /** The figures of a source in its last snapshot that is not suspect. */
  readonly earlierFigures?: (path: Buffer) => SourceFigures | undefined;
  /** A source that has lost more than this percentage of its entries or bytes since then is suspect. Default: only one that has lost all. */
  readonly maxShrink?: number | undefined;
  /** Makes no snapshot when its tree would be the parent's. */
  readonly skipIfUnchanged?: boolean;
  /** Sends `item` events. */
  readonly verbose?: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BackupEvent) => void;
  /** Counts files and bytes in a thread of its own, to show a total. Only without a parent: with one, its figures serve. */
  readonly scan?: boolean;
  /** Receives a function that returns the current progress. Called again when a prune makes the backup start over. */
  readonly onStart?: (progress: () => BackupProgress) => void;
}

/** How far a backup is. */
export interface BackupProgress {
  readonly counters: Counters;
  /** What the scan has counted so far; undefined without a scan. */
  readonly scanned: Scanned | undefined;
  /** Paths of the files that are being read. */
  readonly current: readonly Buffer[];
}

export interface BackupResult {
  /** Undefined when no snapshot was made: in a dry run, or when nothing has changed. */
  readonly id: string | undefined;
  /** In a dry run: the id that the snapshot would have. */
  readonly idIfStored?: string;
  readonly snapshot: Snapshot;
  readonly summary: SnapshotSummary;
  /** How many paths could not be read. */
  readonly errors: number;
  /** Sources that hold far less than before; the snapshot names them too. */
  readonly suspects: readonly Suspect[];
}
