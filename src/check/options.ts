import type { Snapshot } from '../format/snapshot.js';
import type { Finding } from './findings.js';
import type { HealedPack } from './healer.js';
import type { Subset } from './subset.js';

export interface CheckProgress {
  /** What is looked at: packs to be healed, index and keys, directories of packs, bytes of packs, directories; with scrub, all objects. */
  phase: 'healing' | 'objects' | 'packs' | 'data' | 'trees';
  /** Packs, snapshots or objects. */
  done: number;
  total: number;
  bytes: number;
  totalBytes: number;
  /** Since the beginning. */
  errors: number;
}

export interface RunOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal | undefined;
  /** Compare all packs with their names, and heal by their parity those that are damaged. */
  readonly repair?: boolean;
  /** Called once, with what tells how far it is. */
  readonly onStart?: (progress: () => Readonly<CheckProgress>) => void;
  /** Called for each thing that is wrong, as soon as it is found; which files it touches is known at the end. */
  readonly onFinding?: (finding: Finding) => void;
  /** Called for each pack that was healed. */
  readonly onHealed?: (pack: HealedPack) => void;
}

export interface CheckOptions extends RunOptions {
  /** Packs that are read whole; undefined for none. */
  readonly readData?: Subset | undefined;
  /** Which snapshots are checked; undefined for all. Packs are then only read if those need them. */
  readonly isWanted?: ((snapshot: Snapshot, id: string) => boolean) | undefined;
  /** Files named with each finding; the others are counted. */
  readonly maxFiles?: number;
  /** From 0 to 1, for a subset by chance. */
  readonly random?: () => number;
}

export interface CheckResult {
  readonly findings: readonly Finding[];
  /** Packs that were damaged, and are whole again. */
  readonly healed: readonly HealedPack[];
  readonly snapshots: number;
  /** Snapshots of removed keys, which are passed over. */
  readonly revoked: number;
  readonly packs: Amount;
  /** Packs that were read whole. */
  readonly read: Amount;
  /** Of those, packs whose frames were not opened, as the key cannot. */
  readonly unopened: number;
  /** Packs that no index object lists. */
  readonly orphans: Amount;
  /** Whether a backup is running, and may list them soon. */
  readonly backupRunning: boolean;
  /** Packs that are to be deleted. */
  readonly condemned: number;
  /** Names of packs that are damaged or missing. */
  readonly brokenPacks: readonly string[];
  /** Whether some of the index could not be read: what it lists is not known. */
  readonly indexUnread: boolean;
  readonly suggestRepairIndex: boolean;
  readonly suggestPrune: boolean;
}

export interface Amount {
  readonly count: number;
  readonly bytes: number;
}
