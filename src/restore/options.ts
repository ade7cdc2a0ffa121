import type { Buffer } from 'node:buffer';
import type { PatternSpec } from '../filesystem/patterns.js';
import type { ContentRef } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import type { MetadataKind } from './messages.js';

/** restic's names for what happens to files that are there already. */
export type Overwrite = 'always' | 'if-changed' | 'if-newer' | 'never';

/** `updated`: only the metadata were changed. `omitted`: left out, wholly or in its mode, as special things were not wanted. */
export type RestoreAction = 'restored' | 'updated' | 'unchanged' | 'deleted' | 'omitted';

export type RestoreEvent =
  | { readonly kind: 'error'; readonly path: Buffer; readonly message: string }
  /** The target or the user's rights do not allow some metadata; the content is there. */
  | { readonly kind: 'warning'; readonly about: MetadataKind; readonly path: Buffer; readonly message: string }
  | { readonly kind: 'item'; readonly action: RestoreAction; readonly path: Buffer; readonly size: number };

/** How far a restore is. The totals grow while the snapshot's directories are read. */
export interface RestoreProgress {
  /** Directories that are made, or that get their metadata. */
  totalDirs: number;
  dirsRestored: number;
  /** What is not a directory. */
  totalFiles: number;
  filesRestored: number;
  filesSkipped: number;
  filesDeleted: number;
  /** Devices, FIFOs and sockets that were not to be made, and files and directories that did not get their setuid and setgid bits. */
  filesOmitted: number;
  /** Bytes, without those of holes. */
  totalBytes: number;
  /** That were written. */
  bytesRestored: number;
  /** That were there already. */
  bytesSkipped: number;
  /** Paths whose content could not be restored, and metadata that a fault kept from being set. */
  errors: number;
  /** Metadata that the target or the user's rights do not allow. */
  warnings: number;
}

/** Patterns for names of extended attributes: only what matches is restored, or all but that. */
export interface XattrPatterns {
  readonly kind: 'include' | 'exclude';
  readonly patterns: readonly string[];
}

export interface RestoreOptions {
  /** The directory of the snapshot whose content is restored. */
  readonly root: ContentRef;
  /** The entry of that directory: a target that is new or empty gets its metadata. */
  readonly directory?: Entry;
  /** An absolute path; made when it is not there. */
  readonly target: string;
  /** The only name in the root directory that is restored; nothing is deleted beside it. */
  readonly only?: Buffer;
  readonly includes?: readonly PatternSpec[];
  readonly excludes?: readonly PatternSpec[];
  readonly overwrite?: Overwrite;
  /** Removes what is in a restored directory but not in the snapshot's. */
  readonly delete?: boolean;
  /** Reads every file back and compares. */
  readonly verify?: boolean;
  readonly dryRun?: boolean;
  readonly xattrs?: XattrPatterns | undefined;
  /** Owners by number, not by name. */
  readonly numericOwner?: boolean;
  /** Whether any owner can be set, as root can; else only a group may be, and what could not be set is a warning. */
  readonly setOwner: boolean;
  /** Long runs of zeros become holes. */
  readonly sparse?: boolean;
  /** Makes no devices, FIFOs and sockets, and sets no setuid and setgid bits. */
  readonly noSpecial?: boolean;
  /** Whether `item` events are wanted. */
  readonly verbose?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RestoreEvent) => void;
  readonly onStart?: (progress: () => Readonly<RestoreProgress>) => void;
}
