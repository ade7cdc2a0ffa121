// What the main thread and the workers of a restore send each other: what a worker starts with, tasks, replies.
// What a caller of the restore sees is in options.ts.
import type { Transferable } from 'node:worker_threads';
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
  /** Finds out which symbolic links and special files exist and match. */
  | { readonly kind: 'matchSpecial'; readonly files: readonly FileTarget[] }
  /** Compares files with existing ones, and collects the blobs that match. */
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

/** An existing file: it matches (`same`), its metadata were corrected (`updated`), or it does not match (`different`). */
export type Comparison =
  | { readonly outcome: 'same' | 'updated' | 'different' }
  /** Some blobs are in the temporary file now. One byte for each blob: 1 when it is there. */
  | { readonly outcome: 'partly'; readonly kept: Uint8Array };

/** What every task returns. */
export interface Outcome {
  readonly errors: readonly ItemError[];
  /** Numbers, within the task, of the items that failed. */
  readonly failed: readonly number[];
}

/** A file that can be written from other copies of its blobs. */
export interface BadCopyUse {
  /** Its number within the task. */
  readonly file: number;
  /** The pack of the copy that cannot be used, and why. */
  readonly pack: string;
  readonly message: string;
}

/** The reply to each kind of task. */
interface Replies extends Record<Task['kind'], Outcome> {
  /** With the files that failed and can be tried again. */
  readonly write: Outcome & { readonly again: readonly BadCopyUse[] };
  /** With the numbers of the links that existed already. */
  readonly link: Outcome & { readonly existing: readonly number[] };
  /** With the numbers of the items that match. */
  readonly matchSpecial: Outcome & { readonly matching: readonly number[] };
  /** With a comparison for each file. */
  readonly compare: Outcome & { readonly comparisons: readonly Comparison[] };
}

export type TaskOf<Kind extends Task['kind']> = Extract<Task, { kind: Kind }>;
export type ReplyTo<Kind extends Task['kind']> = Replies[Kind];
export type Reply = Replies[Task['kind']];

/** A pool whose replies have the type that belongs to the task. */
export interface RestorePool extends Pick<WorkerPool<WorkerInit, Task, Reply>, 'close' | 'size'> {
  run<T extends Task>(task: T, transfer?: readonly Transferable[]): Promise<ReplyTo<T['kind']>>;
  runOn<T extends Task>(worker: number, task: T): Promise<ReplyTo<T['kind']>>;
}
