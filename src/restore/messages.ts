import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { Piece } from '../format/layout.js';
import type { SharedBlobIndex } from '../repository/index/blob-index.js';
import type { WorkerPool } from '../workers/pool.js';
import type { XattrPatterns } from './options.js';

/** What an abort ends with. */
export const INTERRUPTED =
  'interrupted; run it again to go on (beginnings of large files are kept for that as .varve-part-…)';

/** The warning of a file whose holes take up space in the target. */
export const HOLES_FILLED = "its holes take up space: the target's file system does not keep holes";

export type RestorePool = WorkerPool<WorkerInit, Task, Reply>;

/** What a restore worker starts with. */
export interface WorkerInit {
  readonly keys: ExportedKeys;
  readonly index: SharedBlobIndex;
  readonly target: string;
  readonly rules: RestoreRules;
  /** Part of the names of its temporary files. */
  readonly run: string;
  /** One word: not 0 when the restore is cancelled. */
  readonly flags: Int32Array;
}

export interface MetadataRules {
  /** Whether any owner can be set, as root can. */
  readonly privileged: boolean;
  readonly numericOwner: boolean;
  /** Whether setuid and setgid bits are set. */
  readonly special: boolean;
  readonly xattrs?: XattrPatterns | undefined;
}

export interface RestoreRules extends MetadataRules {
  /** Whether runs of zeros become holes. */
  readonly sparse: boolean;
  /** Whether files are only compared. */
  readonly dryRun: boolean;
}

/** A part of a file that lies in one blob. */
export interface BlobUse {
  readonly blob: number;
  readonly id: Uint8Array;
  /** Where it begins in the file's stream, bytes. */
  readonly stream: number;
  /** Where its bytes go in a file with holes. */
  readonly pieces?: readonly Piece[];
  /** Number of the file within the task. */
  readonly file: number;
}

/** A file that is written. */
export interface FileTarget {
  /** Below the target, without a slash in front. */
  readonly path: Uint8Array;
  /** The file's encoded entry. */
  readonly raw: Uint8Array;
  /** Set when other tasks write to it too: the name, in the same directory, under which it grows. */
  readonly temporary: Uint8Array | undefined;
  /** The bytes of its attributes and of its layout, when they are too long for the entry. */
  readonly xattrs?: Uint8Array | undefined;
  readonly holes?: Uint8Array | undefined;
}

/** A file whose content is compared with what is there. */
export interface ComparedFile extends FileTarget {
  readonly ids: Uint8Array;
  /** What an earlier run left of it: a name in the same directory. */
  readonly part: Uint8Array | undefined;
}

/** A further name of a file. */
export interface LinkTarget {
  readonly path: Uint8Array;
  /** The first name. */
  readonly to: Uint8Array;
}

export type Task =
  | {
      readonly kind: 'write';
      /** The range of the pack, and where it begins. */
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly frames: readonly { readonly frame: number; readonly uses: readonly BlobUse[] }[];
      readonly files: readonly FileTarget[];
    }
  | { readonly kind: 'finish'; readonly files: readonly FileTarget[] }
  /** Removes temporary files. */
  | { readonly kind: 'discard'; readonly files: readonly Uint8Array[] }
  /** Files without blobs, links, devices. */
  | { readonly kind: 'plain'; readonly files: readonly FileTarget[] }
  | { readonly kind: 'link'; readonly links: readonly LinkTarget[] }
  | { readonly kind: 'directories'; readonly directories: readonly FileTarget[] }
  /** Looks which links, devices, FIFOs and sockets are there already. */
  | { readonly kind: 'stands'; readonly files: readonly FileTarget[] }
  /** Looks which files are there already, whole or in part. */
  | { readonly kind: 'compare'; readonly files: readonly ComparedFile[] }
  | { readonly kind: 'verify'; readonly file: ComparedFile };

/** `link`: it is a copy of the file, not another name of it. */
export type MetadataKind = 'owner' | 'mode' | 'times' | 'attribute' | 'holes' | 'link';

/**
 * What could not be restored. `content`: the file is not there. `metadata`: an error, but the content is there. A `MetadataKind`: a warning,
 * as the target's file system does not keep it, or as the user may not set it.
 */
export type Trouble = 'content' | 'metadata' | MetadataKind;

/** What went wrong with one path. */
export interface ItemError {
  readonly path: Uint8Array;
  readonly message: string;
  readonly kind: Trouble;
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
