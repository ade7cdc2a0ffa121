import type { Compression } from '../compression/policy.js';
import type { Unused } from './plan.js';

export interface PruneOptions {
  /** How much that nobody needs may stay. */
  readonly maxUnused: Unused;
  /** Bytes that are copied at most. */
  readonly maxRepack: number;
  /** Whether packs that are much smaller than they should be are put together. */
  readonly repackSmall: boolean;
  /** Packs with fewer bytes are put together, whatever `repackSmall` says. */
  readonly repackSmallerThan?: number | undefined;
  /** Whether only packs of trees are copied, which are the ones that a cache keeps. */
  readonly repackTreesOnly?: boolean;
  /** Whether packs are copied in which something is not compressed that can be. */
  readonly repackUncompressed?: boolean;
  /** How hard new frames are compressed; `auto` when it is not given. */
  readonly compression?: Compression;
  /** Seconds for which a pack stays that was found to be unneeded. */
  readonly graceSeconds: number;
  readonly dryRun: boolean;
  /**
   * For a store without any space: copies nothing, lets nothing stay for a grace time, and may write an index object again after it was removed.
   * Nothing else may use the repository.
   */
  readonly recoverNoFreeSpace?: boolean;
  /** Ids of snapshots that count as forgotten. */
  readonly without?: ReadonlySet<string>;
  readonly packTarget?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: PruneEvent) => void) | undefined;
}

/** What `varve prune` does without options: 5 % may stay unused, and what is condemned stays for a day. */
export const PRUNE_DEFAULTS = {
  maxUnused: { part: 0.05 },
  maxRepack: Number.POSITIVE_INFINITY,
  repackSmall: false,
  graceSeconds: 24 * 3600,
  dryRun: false,
} as const satisfies PruneOptions;

export type PruneEvent =
  /** So many directories of the snapshots have been read. */
  | { readonly kind: 'walked'; readonly directories: number; readonly snapshots: number }
  | { readonly kind: 'planned'; readonly result: PruneResult }
  | { readonly kind: 'copied'; readonly done: number; readonly total: number; readonly bytes: number }
  | { readonly kind: 'removed'; readonly done: number; readonly total: number }
  /** Objects that stay, and were locked anew or looked at. */
  | { readonly kind: 'locked'; readonly done: number; readonly total: number }
  /** Packs that stay for now because an operation runs that may rely on them. */
  | { readonly kind: 'waiting'; readonly packs: number; readonly who: string }
  /** There is no space for the copies: packs that were to be repacked stay. */
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

/** What was found, and what is done about it. Bytes of packs are those of the objects, of blobs those of frames. */
export interface PruneResult {
  readonly blobs: Usage & { repack: number; repackRemove: number; remove: number };
  /** Those of duplicates count as unused. */
  readonly bytes: Usage & {
    remainingUnused: number;
    repack: number;
    repackRemove: number;
    remove: number;
    uncompressed: number;
  };
  /** Packs of which all, some or none is needed. */
  readonly packs: { used: number; partlyUsed: number; unused: number };
  readonly keep: Totals;
  /** Found to be unneeded now. */
  readonly remove: Totals;
  readonly repack: Totals;
  /** What is copied of the packs that are repacked. */
  readonly copied: Totals;
  /** Packs that no index lists: of an interrupted backup, or of one that runs. */
  readonly orphans: Totals;
  readonly reinstated: Totals;
  /** Condemned packs that were deleted. */
  readonly deleted: Totals;
  /** Condemned packs that are still there: the grace time has not passed, or something may rely on them. */
  readonly waiting: Totals;
  /** Of what stays, where the store locks: how many objects, and until when all of them are locked (seconds since 1970). */
  locked?: { readonly objects: number; readonly until: number };
  errors: number;
}
