// Options, events and results of a prune.
// Only types and defaults; prune.ts does the work.
import type { Compression } from '../compression/policy.js';
import type { Unused } from './plan.js';

export interface PruneOptions {
  /** How many unneeded bytes may stay. */
  readonly maxUnused: Unused;
  /** Bytes of packs that are copied, at most. */
  readonly maxRepack: number;
  /** Whether packs much smaller than the target size are merged. */
  readonly repackSmall: boolean;
  /** Packs with fewer bytes are merged, whatever `repackSmall` says. */
  readonly repackSmallerThan?: number | undefined;
  /** Whether only packs of trees are copied: those that a cache keeps. */
  readonly repackTreesOnly?: boolean;
  /** Whether packs with uncompressed frames are copied, if compression makes them smaller. */
  readonly repackUncompressed?: boolean;
  /** The compression of new frames; `auto` by default. */
  readonly compression?: Compression;
  /** Seconds from a pack's condemnation to its deletion, at least. */
  readonly graceSeconds: number;
  readonly dryRun: boolean;
  /**
   * For a store without any space: copies nothing, ignores the grace time, and may delete an index object before it writes its replacement.
   * No other command may use the repository.
   */
  readonly recoverNoFreeSpace?: boolean;
  /** Ids of snapshots that count as forgotten. */
  readonly without?: ReadonlySet<string>;
  readonly packTarget?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: PruneEvent) => void) | undefined;
}

/** The defaults of `varve prune`: 5 % may stay unused, and condemned packs stay for a day. */
export const PRUNE_DEFAULTS = {
  maxUnused: { part: 0.05 },
  maxRepack: Number.POSITIVE_INFINITY,
  repackSmall: false,
  graceSeconds: 24 * 3600,
  dryRun: false,
} as const satisfies PruneOptions;

export type PruneEvent =
  /** How many directories of the snapshots have been read. */
  | { readonly kind: 'walked'; readonly directories: number; readonly snapshots: number }
  | { readonly kind: 'planned'; readonly result: PruneResult }
  /** Packs that were read because they hold the copies that stay of blobs that are stored several times. */
  | { readonly kind: 'compared'; readonly done: number; readonly total: number }
  /** A copy of blobs that is not what it should be: other copies stay. */
  | { readonly kind: 'bad-copy'; readonly message: string }
  | { readonly kind: 'copied'; readonly done: number; readonly total: number; readonly bytes: number }
  | { readonly kind: 'removed'; readonly done: number; readonly total: number }
  /** Objects whose locks were extended or found long enough. */
  | { readonly kind: 'locked'; readonly done: number; readonly total: number }
  /** Packs that stay for now because a running operation may rely on them. */
  | { readonly kind: 'waiting'; readonly packs: number; readonly who: string }
  /** There is no space for the copies: the packs to repack stay. */
  | { readonly kind: 'no-space'; readonly packs: number; readonly message: string }
  /** A pack that is damaged or could not be read: it stays. */
  | { readonly kind: 'not-copied'; readonly message: string };

export interface Totals {
  packs: number;
  bytes: number;
}

interface Usage {
  used: number;
  duplicate: number;
  unused: number;
  total: number;
}

/** What was found, and what prune did. Bytes of packs are bytes of objects; bytes of blobs are bytes of frames. */
export interface PruneResult {
  readonly blobs: Usage & { repack: number; repackRemove: number; remove: number };
  /** Duplicates count as unused. */
  readonly bytes: Usage & {
    remainingUnused: number;
    repack: number;
    repackRemove: number;
    remove: number;
    uncompressed: number;
  };
  /** Packs that are needed as a whole, in part, or not at all. */
  readonly packs: { used: number; partlyUsed: number; unused: number };
  readonly keep: Totals;
  /** Packs that this run found to be unneeded. */
  readonly remove: Totals;
  readonly repack: Totals;
  /** The new packs with the copies. */
  readonly copied: Totals;
  /** Packs that no index object lists, left by an interrupted backup. */
  readonly orphans: Totals;
  readonly reinstated: Totals;
  /** Condemned packs that were deleted. */
  readonly deleted: Totals;
  /** Condemned packs that still exist: the grace time has not passed, or a running command may rely on them. */
  readonly waiting: Totals;
  /** If the store locks objects: how many of those that stay are locked, and until when all of them are (seconds since 1970). */
  locked?: { readonly objects: number; readonly until: number };
  errors: number;
}
