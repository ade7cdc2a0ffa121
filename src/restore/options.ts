// What a caller gives to a restore, and what it gets: options, events, progress.
// How the work is divided among threads is in messages.ts.
import type { Buffer } from 'node:buffer';
import type { PatternSpec } from '../filesystem/patterns.js';
import type { ContentRef } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import type { MetadataKind } from './messages.js';

/** Which existing files a restore overwrites; restic's names. */
export type Overwrite = 'always' | 'if-changed' | 'if-newer' | 'never';

/** `updated`: only metadata were set. `omitted`: `noSpecial` left out the file, or its setuid and setgid bits. */
export type RestoreAction = 'restored' | 'updated' | 'unchanged' | 'deleted' | 'omitted';

export type RestoreEvent =
  | { readonly kind: 'error'; readonly path: Buffer; readonly message: string }
  /** The target or the user's permissions do not allow some metadata; the content was restored. */
  | { readonly kind: 'warning'; readonly about: MetadataKind; readonly path: Buffer; readonly message: string }
  | { readonly kind: 'item'; readonly action: RestoreAction; readonly path: Buffer; readonly size: number };

/** The progress of a restore. The totals grow while the snapshot's directories are read. */
export interface RestoreProgress {
  /** Directories that are made or get metadata. */
  totalDirs: number;
  dirsRestored: number;
  /** Everything but directories. */
  totalFiles: number;
  filesRestored: number;
  filesSkipped: number;
  filesDeleted: number;
  /** Left out by `noSpecial`: devices, FIFOs, sockets, and the setuid and setgid bits of files and directories. */
  filesOmitted: number;
  /** Bytes of data, without holes. */
  totalBytes: number;
  /** Bytes written. */
  bytesRestored: number;
  /** Bytes that existed already. */
  bytesSkipped: number;
  /** Paths that could not be restored, and metadata that could not be set because of an error. */
  errors: number;
  /** Metadata that the target or the user's permissions do not allow. */
  warnings: number;
}

/** Patterns for names of extended attributes: restore only those that match, or all others. */
export interface XattrPatterns {
  readonly kind: 'include' | 'exclude';
  readonly patterns: readonly string[];
}

export interface RestoreOptions {
  /** The directory of the snapshot to restore. */
  readonly root: ContentRef;
  /** The entry of that directory: a new or empty target gets its metadata. */
  readonly directory?: Entry;
  /** An absolute path; made when it does not exist. */
  readonly target: string;
  /** Restores only this name of the root directory; `delete` then removes nothing next to it. */
  readonly only?: Buffer;
  readonly includes?: readonly PatternSpec[];
  readonly excludes?: readonly PatternSpec[];
  readonly overwrite?: Overwrite;
  /** Removes files in restored directories that the snapshot does not have. */
  readonly delete?: boolean;
  /** Reads every file back and compares. */
  readonly verify?: boolean;
  readonly dryRun?: boolean;
  readonly xattrs?: XattrPatterns | undefined;
  /** Sets owners by number instead of by name. */
  readonly numericOwner?: boolean;
  /** Sets owners, as only root can. Otherwise only groups are set, and a different owner is a warning. */
  readonly setOwner: boolean;
  /** Makes holes of blocks of zeros. */
  readonly sparse?: boolean;
  /** Makes no devices, FIFOs or sockets, and sets no setuid or setgid bits. */
  readonly noSpecial?: boolean;
  /** Sends `item` events. */
  readonly verbose?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RestoreEvent) => void;
  readonly onStart?: (progress: () => Readonly<RestoreProgress>) => void;
}
