import type { Buffer } from 'node:buffer';
import type { Compression } from '../compression/policy.js';
import type { FilterSpec } from '../filesystem/filter.js';
import type { Snapshot, SnapshotSummary, SourceFigures } from '../format/snapshot.js';
import type { Time } from '../format/time.js';
import type { StoredSnapshot } from '../repository/snapshots/snapshots.js';
import type { Counters } from './counters.js';
import type { ChangeReport, ErrorReport, ItemReport } from './messages.js';
import type { Scanned } from './scan.js';
import type { Suspect } from './suspects.js';

/** What a backup tells while it runs. */
export type BackupEvent = (Omit<ErrorReport, 'path'> | Omit<ChangeReport, 'path'> | Omit<ItemReport, 'path'>) & {
  readonly path: Buffer;
};

/** A stream to be stored as one file, such as a database dump. */
export interface StreamSource {
  /** Absolute path that the file gets in the snapshot. */
  readonly path: Buffer;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface BackupOptions {
  /** Files and directories, or one stream. */
  readonly sources: readonly Buffer[] | StreamSource;
  /** Absolute: what relative sources are relative to. */
  readonly directory: Buffer;
  readonly host: string;
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly tags: readonly string[];
  readonly filter: FilterSpec;
  /** Unchanged files are taken over from it. */
  readonly parent: StoredSnapshot | undefined;
  readonly program: string;
  readonly compression: Compression;
  /** The snapshot's time; the clock's when it is not given. */
  readonly time?: Time;
  readonly packTarget?: number;
  readonly threads?: number;
  readonly ignoreInode?: boolean;
  readonly ignoreCtime?: boolean;
  /** Records access times too. */
  readonly withAtime?: boolean;
  /** Goes through everything and stores nothing. */
  readonly dryRun?: boolean;
  /** What the last snapshot of a source that is not suspect had of it. */
  readonly before?: (path: Buffer) => SourceFigures | undefined;
  /** Percent of its entries or bytes that a source may have lost since then before it is suspect; anything but all when it is not given. */
  readonly maxShrink?: number | undefined;
  /** Makes no snapshot when everything is as it is in the parent. */
  readonly skipIfUnchanged?: boolean;
  /** Whether `item` events are wanted. */
  readonly verbose?: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: BackupEvent) => void;
  /** Counts what there is to be read, beside the backup, when there is no parent snapshot whose figures could stand for it. */
  readonly scan?: boolean;
  /** Gets a function that returns at any moment how far the backup is; once more for each time that a prune makes it begin again. */
  readonly onStart?: (progress: () => BackupProgress) => void;
}

/** How far a backup is. */
export interface BackupProgress {
  readonly counters: Counters;
  /** What the scan has counted; undefined without one. */
  readonly scanned: Scanned | undefined;
  /** Paths of the files that are being read. */
  readonly current: readonly Buffer[];
}

export interface BackupResult {
  /** Undefined when no snapshot was made: for a dry run, or when nothing has changed. */
  readonly id: string | undefined;
  /** Of a dry run: the id that the snapshot would have got. */
  readonly idIfStored?: string;
  readonly snapshot: Snapshot;
  readonly summary: SnapshotSummary;
  /** Paths that could not be read. */
  readonly errors: number;
  /** Sources that should hold more: the snapshot says so too. */
  readonly suspects: readonly Suspect[];
}
