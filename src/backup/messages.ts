import type { Int64 } from '../bytes/int64.js';
import type { Compression } from '../compression/policy.js';
import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { DirectoryPlace } from '../filesystem/directory.js';
import type { FilterSpec } from '../filesystem/filter.js';
import type { FileStat } from '../filesystem/stat.js';
import type { Attachment } from '../format/attachment.js';
import type { Sizes } from '../format/config.js';
import type { ContentRef } from '../format/content.js';
import type { PackRecord } from '../format/pack-record.js';
import type { SharedBlobIndex } from '../repository/index/blob-index.js';
import type { FreshSetHandle } from '../repository/writing/fresh-set.js';
import type { SharedBuffersHandle } from '../workers/shared-buffers.js';
import type { SyncCallHandle } from '../workers/sync-call.js';
import type { TallyHandle } from './source-tally.js';

/** The attributes of a path: none, or `unread` when they could not be read. */
export type ReadAttributes = Attachment | 'unread' | undefined;

/** How the walk decides that a file is unchanged. */
export interface ChangeRules {
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
  /** Seconds since 1970: a file touched at or after this moment is read again, whatever its times say. */
  readonly racySince: number;
  /** Whether access times are recorded. */
  readonly withAtime: boolean;
}

/** What a backup worker starts with. */
export interface WorkerInit {
  readonly keys: ExportedKeys;
  /** The chunkers' secret. */
  readonly gear: Uint8Array;
  readonly data: Sizes;
  readonly tree: Sizes;
  readonly compression: Compression;
  /** Bytes at which a pack is closed. */
  readonly packTarget: number;
  /** Percent of parity in packs. */
  readonly parity: number;
  readonly index: SharedBlobIndex;
  readonly fresh: FreshSetHandle;
  readonly buffers: SharedBuffersHandle;
  readonly counters: Float64Array;
  /** The row of a CurrentFile. */
  readonly current: SharedArrayBuffer;
  /** Flags shared with the main thread: see SharedFlag. */
  readonly flags: Int32Array;
  readonly fetch: SyncCallHandle;
  /** Pack keys that this machine made and its role cannot unwrap, by the hex of their wrapped form. */
  readonly knownPackKeys: ReadonlyMap<string, Uint8Array>;
  readonly filter: FilterSpec;
  /** Sources that lie below other sources: bytes of their paths as latin1. */
  readonly nestedSources: readonly string[];
  readonly rules: ChangeRules;
  readonly tally: TallyHandle;
  /** Whether every path is to be told, for `--verbose`. */
  readonly verbose: boolean;
}

/** Words of `flags`. */
export const SharedFlag = { cancelled: 0, waitingTasks: 1, threads: 2, batches: 3 } as const;

/** A tree frame that a worker needs. */
export interface FrameRequest {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
}

/** A source that the user named, which no rule leaves out, or one that is in a directory that the user named. */
export type SourceKind = 'named' | 'listed';

/** The names that matter in a directory above the backup's sources (bytes of the name as latin1), and what matters below. */
export interface OnlyNames {
  readonly [name: string]: OnlyNames | SourceKind;
}

/** A directory still to be walked. */
export interface PendingDirectory {
  readonly path: Uint8Array;
  readonly name: Uint8Array;
  /** As it was found in the directory above it. */
  readonly stat: FileStat;
  /** Its entry in the parent snapshot, encoded. */
  readonly previous: Uint8Array | undefined;
  /** Device of the source that it belongs to. */
  readonly rootDevice: Int64;
  /** Bytes of the path in which links are followed: what leads to the source. */
  readonly above: number;
  /** Whether something is mounted there. */
  readonly mounted: boolean;
  /** Set above the sources. */
  readonly only: OnlyNames | undefined;
  /** Set for the snapshot's root directory. */
  readonly root?: { readonly gathered: ReadonlyMap<string, string> | undefined };
}

/** A file to be read. */
export interface PendingFile {
  readonly name: Uint8Array;
  readonly stat: FileStat;
  /** Whether the parent snapshot has it too. */
  readonly changed: boolean;
}

/** A file that is too large for one worker. */
export interface LargeFile extends PendingFile {
  /** Its encoded layout, when it has holes. */
  readonly layout: Uint8Array | undefined;
  /** Bytes of its data. */
  readonly stored: number;
}

/** A directory whose entries are not all known yet. */
export interface OpenedDirectory {
  /** Number within the reply; 0 is the directory that the task named. */
  readonly local: number;
  readonly parent: number;
  readonly path: Uint8Array;
  readonly name: Uint8Array;
  readonly stat: FileStat;
  readonly above: number;
  readonly previous: Uint8Array | undefined;
  readonly isRoot: boolean;
  readonly xattrs: ReadAttributes;
  /** The encoded entries that are known, in order of name; each piece begins and ends with one. */
  readonly entries: readonly Uint8Array<ArrayBuffer>[];
  readonly directories: readonly PendingDirectory[];
  /** Numbers of the batches of its files that were handed over. */
  readonly batches: readonly number[];
  readonly large: readonly LargeFile[];
}

/** A directory's entry that became known after the others. */
export interface LateEntry {
  readonly name: Uint8Array;
  readonly raw: Uint8Array;
}

/** Files of one directory that another worker is to read. */
export interface FileBatch {
  readonly kind: 'files';
  readonly directory: DirectoryPlace;
  readonly files: readonly PendingFile[];
}

export type Task =
  | { readonly kind: 'walk'; readonly directory: PendingDirectory }
  | FileBatch
  | {
      readonly kind: 'segment';
      readonly directory: DirectoryPlace;
      readonly file: LargeFile;
      /** Within its data. */
      readonly offset: number;
      readonly length: number;
    }
  | {
      readonly kind: 'file';
      /** Where it is, unless it is made up around a stream. */
      readonly directory: DirectoryPlace | undefined;
      readonly path: Uint8Array;
      readonly file: LargeFile;
      /** Bytes that were read, and their blobs. */
      readonly size: number;
      readonly ids: Uint8Array;
    }
  | {
      readonly kind: 'directory';
      readonly name: Uint8Array;
      readonly stat: FileStat;
      readonly previous: Uint8Array | undefined;
      readonly xattrs: ReadAttributes;
      /** Runs of encoded entries, each in order of name. */
      readonly entries: readonly Uint8Array<ArrayBuffer>[];
      readonly late: readonly LateEntry[];
      readonly path: Uint8Array;
      readonly isRoot: boolean;
    }
  | { readonly kind: 'stream'; readonly bytes: Uint8Array | undefined }
  | { readonly kind: 'flush' };

export type Reply =
  /** `raw` is undefined when there is no entry: the file has vanished, or is excluded. */
  | { readonly kind: 'entry'; readonly raw: Uint8Array | undefined }
  /** Encoded, in order of name. */
  | { readonly kind: 'entries'; readonly entries: readonly Uint8Array<ArrayBuffer>[] }
  | { readonly kind: 'opened'; readonly directories: readonly OpenedDirectory[] }
  | { readonly kind: 'content'; readonly content: ContentRef }
  | { readonly kind: 'none' }
  /** A part of a file could not be read. */
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'rest'; readonly parts: readonly RestPart[] };

/** Frames in a shared buffer that do not fill a pack. */
export interface RestPart {
  readonly buffer: number;
  readonly length: number;
  readonly record: PackRecord;
}

export type ItemAction = 'new' | 'changed' | 'unmodified' | 'excluded';

/** A path that could not be read. */
export interface ErrorReport {
  readonly kind: 'error';
  readonly path: Uint8Array;
  readonly message: string;
  readonly during: 'scan' | 'archival';
}

/** A file that was not the same from the beginning to the end of its being read. */
export interface ChangeReport {
  readonly kind: 'changed';
  readonly path: Uint8Array;
  readonly message: string;
}

/** What was done with a path. */
export interface ItemReport {
  readonly kind: 'item';
  readonly path: Uint8Array;
  readonly directory: boolean;
  readonly action: ItemAction;
  /** Bytes of the file. */
  readonly size: number;
  /** The rule that excludes it. */
  readonly rule?: string;
  /** Bytes that it added to the repository: of contents and of trees, before and after compression. */
  readonly dataAdded: number;
  readonly dataStored: number;
  readonly metadataAdded: number;
  readonly metadataStored: number;
  readonly seconds: number;
}

/** What a worker tells on its own. */
export type Note =
  | {
      readonly kind: 'pack';
      readonly buffer: number;
      readonly name: string;
      readonly size: number;
      readonly record: PackRecord;
    }
  /** The key of a tree pack that an append key cannot unwrap later. */
  | { readonly kind: 'treeKey'; readonly wrapped: Uint8Array; readonly key: Uint8Array }
  /** A batch of files, with a number that no other batch has. */
  | { readonly kind: 'batch'; readonly number: number; readonly batch: FileBatch }
  | ErrorReport
  | ChangeReport
  | ItemReport;
