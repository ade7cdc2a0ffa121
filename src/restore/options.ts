import type { Buffer } from 'node:buffer';
import type { PatternSpec } from '../filesystem/patterns.js';
import type { ContentRef } from '../format/content.js';

/** restic's names for what happens to files that are there already. */
export type Overwrite = 'always' | 'if-changed' | 'if-newer' | 'never';

export type RestoreAction = 'restored' | 'updated' | 'unchanged' | 'deleted';

export type RestoreEvent =
  | { readonly kind: 'error' | 'warning'; readonly path: Buffer; readonly message: string }
  | { readonly kind: 'item'; readonly action: RestoreAction; readonly path: Buffer; readonly size: number };

/** How far a restore is. The totals grow while the snapshot's folders are read. */
export interface RestoreProgress {
  totalFiles: number;
  filesRestored: number;
  filesSkipped: number;
  filesDeleted: number;
  /** Bytes. */
  totalBytes: number;
  bytesRestored: number;
  bytesSkipped: number;
  /** Paths whose content could not be restored. */
  errors: number;
  /** Metadata that could not be set. */
  warnings: number;
}

export interface RestoreOptions {
  /** The folder of the snapshot whose content is restored. */
  readonly root: ContentRef;
  /** An absolute path; made when it is not there. */
  readonly target: string;
  readonly includes?: readonly PatternSpec[];
  readonly excludes?: readonly PatternSpec[];
  readonly overwrite?: Overwrite;
  /** Removes what is in a restored folder but not in the snapshot's. */
  readonly delete?: boolean;
  /** Reads every file back and compares. */
  readonly verify?: boolean;
  readonly dryRun?: boolean;
  /** Owners by number, not by name. */
  readonly numericOwner?: boolean;
  /** Whether owners are set: only root can. */
  readonly setOwner: boolean;
  /** Whether `item` events are wanted. */
  readonly verbose?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: RestoreEvent) => void;
  readonly onStart?: (progress: () => Readonly<RestoreProgress>) => void;
}
