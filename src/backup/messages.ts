// What the main thread and the workers of a backup send each other: what a worker starts with, tasks, replies, notes.
// What a caller of the backup sees is in options.ts.
import type { Int64 } from '../bytes/int64.js';
import type { Compression } from '../compression/policy.js';
import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { Identity } from '../crypto/signed.js';
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

/** The extended attributes of a path; undefined when it has none, `unread` when they could not be read. */
export type ReadAttributes = Attachment | 'unread' | undefined;

/** How the walk decides whether a file has changed. */
export interface ChangeRules {
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
  /** Seconds since 1970: a file modified at or after this time is read again, even if its times are the parent's. */
  readonly racySince: number;
  /** Whether access times are stored. */
  readonly withAtime: boolean;
}

/** What a backup worker starts with. */
export interface WorkerInit {
  readonly keys: ExportedKeys;
  /** The slot that signs packs. */
  readonly identity: Identity;
  /** The secret table of the chunkers. */
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
  /** The memory of this worker's CurrentFile. */
  readonly current: SharedArrayBuffer;
  /** Shared with the main thread: see SharedFlag. */
  readonly flags: Int32Array;
  readonly fetch: SyncCallHandle;
  /** Pack keys that this machine made but its role cannot unwrap, by their wrapped form in hex. */
  readonly knownPackKeys: ReadonlyMap<string, Uint8Array>;
  readonly filter: FilterSpec;
  /** Paths (latin1) of sources below other sources. */
  readonly nestedSources: readonly string[];
  readonly rules: ChangeRules;
  readonly tally: TallyHandle;
  /** Whether to report every path, for `--verbose`. */
  readonly verbose: boolean;
}

/** Positions in `flags`. */
export const SharedFlag = { cancelled: 0, waitingTasks: 1, threads: 2, batches: 3 } as const;

/** A frame of trees that a worker asks the main thread for. */
export interface FrameRequest {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
}

/** `named`: given by the user, so that no rule excludes it. `listed`: found in a directory that the user gave. */
export type SourceKind = 'named' | 'listed';

/** The names to visit in a directory above the sources (latin1), and in turn the names to visit below them. */
export interface OnlyNames {
  readonly [name: string]: OnlyNames | SourceKind;
}

/** A directory to walk. */
export interface PendingDirectory {
  readonly path: Uint8Array;
  readonly name: Uint8Array;
  /** As found in the directory above it. */
  readonly stat: FileStat;
  /** Its entry in the parent snapshot, encoded. */
  readonly previous: Uint8Array | undefined;
  /** Device of the source that it is in. */
  readonly rootDevice: Int64;
  /** Length in bytes of the path above the source, in which links are followed. */
  readonly above: number;
  /** Whether it is a mount point. */
  readonly mounted: boolean;
  /** Set for a directory above the sources. */
  readonly only: OnlyNames | undefined;
  /** Set for the snapshot's root directory. */
  readonly root?: { readonly gathered: ReadonlyMap<string, string> | undefined };
}

/** A file to read. */
export interface PendingFile {
  readonly name: Uint8Array;
  readonly stat: FileStat;
  /** Whether the parent snapshot has it. */
  readonly changed: boolean;
}

/** A file large enough for several workers. */
export interface LargeFile extends PendingFile {
  /** The encoded layout of a file with holes. */
  readonly layout: Uint8Array | undefined;
  /** Bytes of data, without the holes. */
  readonly stored: number;
}

/** A directory that is not complete: other workers still read some of its entries. */
export interface OpenedDirectory {
  /** Number within the reply; 0 is the task's own directory. */
  readonly local: number;
  readonly parent: number;
  readonly path: Uint8Array;
  readonly name: Uint8Array;
  readonly stat: FileStat;
  readonly above: number;
  readonly previous: Uint8Array | undefined;
  readonly isRoot: boolean;
  readonly xattrs: ReadAttributes;
  /** Encoded entries that are known, in order of name; each piece holds whole entries. */
  readonly entries: readonly Uint8Array<ArrayBuffer>[];
  readonly directories: readonly PendingDirectory[];
  /** Numbers of the batches in which its files were handed over. */
  readonly batches: readonly number[];
  readonly large: readonly LargeFile[];
}

/** An entry that another worker encoded. */
export interface LateEntry {
  readonly name: Uint8Array;
  readonly raw: Uint8Array;
}

/** Files of one directory for another worker to read. */
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
      /** Within the file's data. */
      readonly offset: number;
      readonly length: number;
    }
  | {
      readonly kind: 'file';
      /** Undefined for a file made from a stream. */
      readonly directory: DirectoryPlace | undefined;
      readonly path: Uint8Array;
      readonly file: LargeFile;
      /** Bytes read, and the ids of their blobs. */
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
  /** `raw` is undefined when the file has vanished or could not be read. */
  | { readonly kind: 'entry'; readonly raw: Uint8Array | undefined }
  /** Encoded, in order of name. */
  | { readonly kind: 'entries'; readonly entries: readonly Uint8Array<ArrayBuffer>[] }
  | { readonly kind: 'opened'; readonly directories: readonly OpenedDirectory[] }
  | { readonly kind: 'content'; readonly content: ContentRef }
  | { readonly kind: 'none' }
  /** A part of a file could not be read. */
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'partialPacks'; readonly parts: readonly PartialPack[] };

/** Frames in a shared buffer that do not fill a pack. */
export interface PartialPack {
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

/** A file that changed while it was read, or that is read again because the parent's entry cannot be. */
export interface ChangeReport {
  readonly kind: 'changed';
  readonly path: Uint8Array;
  readonly message: string;
}

/** What the backup did with a path. */
export interface ItemReport {
  readonly kind: 'item';
  readonly path: Uint8Array;
  readonly directory: boolean;
  readonly action: ItemAction;
  readonly size: number;
  /** The rule that excluded it. */
  readonly rule?: string;
  /** Bytes that it added to the repository, as data and as trees: `added` before compression, `stored` after. */
  readonly dataAdded: number;
  readonly dataStored: number;
  readonly metadataAdded: number;
  readonly metadataStored: number;
  readonly seconds: number;
}

/** A message that a worker sends during a task. */
export type Note =
  | {
      readonly kind: 'pack';
      readonly buffer: number;
      readonly name: string;
      readonly size: number;
      readonly record: PackRecord;
    }
  /** The key of a tree pack: the `append` role cannot unwrap it later. */
  | { readonly kind: 'treeKey'; readonly wrapped: Uint8Array; readonly key: Uint8Array }
  /** The pack of a copy of a blob that is not used, where another is, and why. */
  | { readonly kind: 'badCopy'; readonly pack: string; readonly message: string }
  /** A batch of files, with a unique number. */
  | { readonly kind: 'batch'; readonly number: number; readonly batch: FileBatch }
  | ErrorReport
  | ChangeReport
  | ItemReport;
