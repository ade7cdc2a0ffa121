import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { SharedBlobIndex } from '../repository/blob-index.js';

/** What an abort ends with. */
export const INTERRUPTED = 'interrupted; to go on, run it again with --overwrite if-changed';

/** What a restore worker starts with. */
export interface WorkerInit {
  readonly keys: ExportedKeys;
  readonly index: SharedBlobIndex;
  readonly target: string;
  readonly owners: OwnerRules;
  /** One word: not 0 when the restore is cancelled. */
  readonly flags: Int32Array;
}

export interface OwnerRules {
  /** Whether owners are set at all: only root can. */
  readonly set: boolean;
  readonly numeric: boolean;
}

/** A part of a file that lies in one blob. */
export interface BlobUse {
  readonly blob: number;
  readonly id: Uint8Array;
  /** Where it goes in the file, bytes. */
  readonly fileOffset: number;
  /** Number of the file within the task. */
  readonly file: number;
}

/** A file that is written. */
export interface FileTarget {
  /** Below the target, without a slash in front. */
  readonly path: Uint8Array;
  /** The file's encoded entry. */
  readonly raw: Uint8Array;
  /** Set when other tasks write to it too: the name, in the same folder, under which it grows. */
  readonly temporary: Uint8Array | undefined;
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
  | { readonly kind: 'link'; readonly links: readonly { readonly path: Uint8Array; readonly to: Uint8Array }[] }
  | { readonly kind: 'folders'; readonly folders: readonly FileTarget[] }
  | {
      readonly kind: 'verify';
      readonly file: FileTarget;
      readonly lengths: readonly number[];
      readonly ids: Uint8Array;
    };

/** What went wrong with one path. */
export interface ItemError {
  readonly path: Uint8Array;
  readonly message: string;
  /** A warning is about metadata that could not be set: the content is there. */
  readonly warning: boolean;
}

export interface Reply {
  readonly errors: readonly ItemError[];
  /** Numbers, within the task, of files whose content could not be written. */
  readonly failed: readonly number[];
}
