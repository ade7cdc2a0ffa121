// Options of the methods of Repository. Those that are left out have the command line's defaults.
// Filling in the defaults is left to repository.ts.

import type { BackupEvent, BackupOptions, BackupProgress } from '../backup/options.js';
import type { CheckOptions, CheckProgress } from '../check/options.js';
import type { Compression } from '../compression/policy.js';
import type { FilterSpec } from '../filesystem/filter.js';
import type { PatternSpec } from '../filesystem/patterns.js';
import type { PruneOptions } from '../prune/options.js';
import type { InitOptions, OpenOptions } from '../repository/opening/open.js';
import type { GroupBy } from '../repository/snapshots/snapshot-groups.js';
import type { SnapshotFilter, StoredSnapshot } from '../repository/snapshots/snapshots.js';
import type { RestoreOptions, RestoreProgress } from '../restore/options.js';
import type { Policy } from '../retention/policy.js';
import type { StoreSettings } from '../storage/settings.js';
import type { Path } from './paths.js';

/** How to reach a repository and unlock it. Give a password or a key file. */
export interface AccessOptions
  extends Pick<OpenOptions, 'onWarning' | 'keyHint'>,
    Partial<Omit<StoreSettings, 'onWarning'>> {
  readonly password?: string;
  /** The bytes of a key file. */
  readonly keyFile?: Uint8Array;
  /** Directory of the local cache and state. Without it nothing is kept. */
  readonly cacheDirectory?: string;
}

export interface CreateOptions extends AccessOptions, Pick<InitOptions, 'parity' | 'data'> {
  /** User and host in the name of the key slot; by default those of this process and machine. */
  readonly user?: string;
  readonly host?: string;
}

/** Options with a callback that gets the progress, some times a second and at the end. */
export interface WithProgress<Progress> {
  readonly onProgress?: (progress: Readonly<Progress>) => void;
}

export interface BackupSettings
  extends WithProgress<BackupProgress>,
    Partial<
      Pick<
        BackupOptions,
        'host' | 'user' | 'tags' | 'dryRun' | 'skipIfUnchanged' | 'maxShrink' | 'threads' | 'signal' | 'scan'
      >
    >,
    Partial<FilterSpec> {
  readonly compression?: Compression;
  /** The snapshot's time. */
  readonly time?: Date;
  /** The snapshot to compare files with; `null` for none. By default the last one of this host and these paths. */
  readonly parent?: StoredSnapshot | null;
  /** Called with errors of single files, and with each item if `verbose` is set. */
  readonly onEvent?: (event: BackupEvent) => void;
  readonly verbose?: boolean;
}

/** A stream that is stored as one file, such as a database dump. */
export interface StreamToStore {
  /** An absolute path. */
  readonly path: Path;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface RestoreSettings
  extends WithProgress<RestoreProgress>,
    Pick<
      RestoreOptions,
      | 'overwrite'
      | 'delete'
      | 'verify'
      | 'dryRun'
      | 'numericOwner'
      | 'sparse'
      | 'noSpecial'
      | 'verbose'
      | 'threads'
      | 'signal'
      | 'onEvent'
      | 'xattrs'
    > {
  /** A path in the snapshot. By default everything is restored. */
  readonly path?: Path;
  /** Patterns as for `--include`. */
  readonly include?: readonly string[] | readonly PatternSpec[];
  readonly exclude?: readonly string[] | readonly PatternSpec[];
  /** Whether to set owners. By default only when this process runs as root. */
  readonly setOwner?: boolean;
}

/** How many snapshots `forget` keeps: `{ last: 3, daily: 7 }`. */
export type KeepCounts = Policy['counts'];

export interface ForgetSettings {
  /** What to keep of each group. */
  readonly keep: KeepCounts | Policy;
  readonly filter?: SnapshotFilter;
  /** By default snapshots are grouped by host and paths. */
  readonly groupBy?: Partial<GroupBy>;
  /** Whether the policy may remove all snapshots of a group. */
  readonly allowRemoveAll?: boolean;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface PruneSettings
  extends Partial<
    Pick<PruneOptions, 'maxUnused' | 'maxRepack' | 'repackSmall' | 'graceSeconds' | 'dryRun' | 'signal' | 'onEvent'>
  > {}

export interface CheckSettings
  extends WithProgress<CheckProgress>,
    Pick<CheckOptions, 'threads' | 'signal' | 'repair' | 'onFinding' | 'onHealed' | 'maxFiles'> {
  /** Packs to read whole: all, or a part as in `--read-data-subset`, such as `'1/7'`, `'5%'`, `'10G'`. */
  readonly readData?: boolean | string;
}

/** A range of a file. `end` is exclusive. */
export interface ByteRange {
  readonly start?: number;
  readonly end?: number;
}
