// What the main thread and the workers of a restore send each other: what a worker starts with, tasks, replies.
// What a caller of the restore sees is in options.ts.
import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { Piece } from '../format/layout.js';
import type { SharedBlobIndex } from '../repository/index/blob-index.js';
import type { WorkerPool } from '../workers/pool.js';
import type { XattrPatterns } from './options.js';

/** The message after an abort. */
export const INTERRUPTED =
  'interrupted; run the same restore again to continue (it uses partly written files, kept as .varve-part-…)';

/** The warning for a sparse file on a file system without holes. */
export const HOLES_FILLED = "its holes take up space: the target's file system does not support sparse files";

export type RestorePool = WorkerPool<WorkerInit, Task, Reply>;

/** What a restore worker starts with. */
export interface WorkerInit {
  readonly keys: ExportedKeys;
  readonly index: SharedBlobIndex;
  readonly target: string;
  readonly rules: RestoreRules;
  /** The name of the run; part of the names of temporary files. */
  readonly run: string;
  /** One flag: not 0 when the restore is cancelled. */
  readonly flags: Int32Array;
}

export interface MetadataRules {
  /** Whether the process can set any owner, as root can. */
  readonly privileged: boolean;
  readonly numericOwner: boolean;
  /** Whether to restore setuid and setgid bits. */
  readonly special: boolean;
  readonly xattrs?: XattrPatterns | undefined;
}

export interface RestoreRules extends MetadataRules {
  /** Whether runs of zeros become holes. */
  readonly sparse: boolean;
  /** Whether only to compare files. */
  readonly dryRun: boolean;
}

/** The part of a file that one blob holds. */
export interface BlobUse {
  readonly blob: number;
  readonly id: Uint8Array;
  /** Offset in the file's data (without holes), in bytes. */
  readonly stream: number;
  /** Where its bytes go in the file, if that has holes. */
  readonly pieces?: readonly Piece[];
  /** Number of the file within the task. */
  readonly file: number;
}

/** A file to write. */
export interface FileTarget {
  /** Relative to the target. */
  readonly path: Uint8Array;
  /** The file's encoded entry. */
  readonly raw: Uint8Array;
  /** Set when several tasks write the file: its temporary name, in the same directory. */
  readonly temporary: Uint8Array | undefined;
  /** Its encoded attributes and layout, when they are too long for the entry. */
  readonly xattrs?: Uint8Array | undefined;
  readonly holes?: Uint8Array | undefined;
}

/** A file whose content is compared with an existing file. */
export interface ComparedFile extends FileTarget {
  readonly ids: Uint8Array;
  /** A partly written file of an earlier run: its name, in the same directory. */
  readonly part: Uint8Array | undefined;
}

/** A hard link to make. */
export interface LinkTarget {
  readonly path: Uint8Array;
  /** The file's first name. */
  readonly to: Uint8Array;
}

export type Task =
  | {
      readonly kind: 'write';
      /** A range of a pack, and its offset there. */
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly frames: readonly { readonly frame: number; readonly uses: readonly BlobUse[] }[];
      readonly files: readonly FileTarget[];
    }
  | { readonly kind: 'finish'; readonly files: readonly FileTarget[] }
  /** Removes temporary files. */
  | { readonly kind: 'discard'; readonly files: readonly Uint8Array[] }
  /** Empty files, symbolic links, special files. */
  | { readonly kind: 'plain'; readonly files: readonly FileTarget[] }
  | { readonly kind: 'link'; readonly links: readonly LinkTarget[] }
  | { readonly kind: 'directories'; readonly directories: readonly FileTarget[] }
  /** Looks which links, devices, FIFOs and sockets are there already. */
  | { readonly kind: 'stands'; readonly files: readonly FileTarget[] }
  /** Looks which files are there already, whole or in part. */
  | { readonly kind: 'compare'; readonly files: readonly ComparedFile[] }
  | { readonly kind: 'verify'; readonly file: ComparedFile };

/** What a warning is about. `link`: the file is a copy, not a hard link. */
export type MetadataKind = 'owner' | 'mode' | 'times' | 'attribute' | 'holes' | 'link';

/**
 * What could not be restored. `content`: the file itself. `metadata`: some metadata, because of an error. A `MetadataKind`: a warning,
 * because the target's file system does not support it or the user may not set it.
 */
export type ProblemKind = 'content' | 'metadata' | MetadataKind;

/** What went wrong with one path. */
export interface ItemError {
  readonly path: Uint8Array;
  readonly message: string;
  readonly kind: ProblemKind;
}

/** What is there of a file: it is right, only its metadata were not, some of its blobs are in its temporary file now, nothing. */
export type Comparison =
  | { readonly outcome: 'same' | 'updated' | 'different' }
  /** A byte for each blob: 1 when it is there. */
  | { readonly outcome: 'partly'; readonly kept: Uint8Array };

export interface Reply {
  readonly errors: readonly ItemError[];
  /** Numbers, within the task, of files whose content could not be written. */
  readonly failed: readonly number[];
  /** Numbers, within the task, of what was there already. */
  readonly there: readonly number[];
  /** For each file of a `compare` task. */
  readonly compared: readonly Comparison[];
}
