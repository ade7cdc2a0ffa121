// Options, progress and results of check and scrub.
// Only types; check.ts and scrub.ts do the work.
import type { SignedSnapshot } from '../repository/snapshots/snapshots.js';
import type { Finding } from './findings.js';
import type { HealedPack } from './healer.js';
import type { Subset } from './subset.js';

export interface CheckProgress {
  /** The current phase: healing packs, index and keys (with scrub all objects), directories of packs, bytes of packs, trees. */
  phase: 'healing' | 'objects' | 'packs' | 'data' | 'trees';
  /** Packs, snapshots or objects. */
  done: number;
  total: number;
  bytes: number;
  totalBytes: number;
  /** The number of errors so far. */
  errors: number;
}

export interface RunOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
  /** Compare all packs with their names, and heal damaged ones by their parity. */
  readonly repair?: boolean;
  /** Called once with a function that returns the progress. */
  readonly onStart?: (progress: () => Readonly<CheckProgress>) => void;
  /** Called for each problem as soon as it is found; the affected files are known at the end. */
  readonly onFinding?: (finding: Finding) => void;
  /** Called for each pack that was healed. */
  readonly onHealed?: (pack: HealedPack) => void;
}

export interface CheckOptions extends RunOptions {
  /** The packs to read whole; undefined for none. */
  readonly readData?: Subset | undefined;
  /** Selects the snapshots to check; undefined for all. Then only the packs that they need are read. */
  readonly isWanted?: ((signed: SignedSnapshot) => boolean) | undefined;
  /** Files named with each finding; the others are counted. */
  readonly maxFiles?: number;
  /** Random numbers from 0 to 1, for a random subset. */
  readonly random?: () => number;
}

export interface CheckResult {
  readonly findings: readonly Finding[];
  /** Packs that were damaged and are healed. */
  readonly healed: readonly HealedPack[];
  readonly snapshots: number;
  /** Snapshots of removed keys, which are skipped. */
  readonly revoked: number;
  readonly packs: Amount;
  /** Packs that were read whole. */
  readonly read: Amount;
  /** Of those, packs whose frames this key cannot open. */
  readonly unopened: number;
  /** Packs that no index object lists. */
  readonly orphans: Amount;
  /** Whether a backup is running, and may list them soon. */
  readonly backupRunning: boolean;
  /** Condemned packs. */
  readonly condemned: number;
  /** Packs that were read and that this key now vouches for: the backups of all keys can rely on them. */
  readonly vouched: number;
  /** Names of packs that are damaged or missing. */
  readonly brokenPacks: readonly string[];
  /** Whether a part of the index could not be read. */
  readonly indexUnread: boolean;
  readonly suggestRepairIndex: boolean;
  readonly suggestPrune: boolean;
}

export interface Amount {
  readonly count: number;
  readonly bytes: number;
}
