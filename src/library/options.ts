// What a program may say to a Repository. Whatever is left out has the command line's default.
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
  /** A directory for what this machine remembers of repositories; nothing is remembered without it. */
  readonly cacheDirectory?: string;
}

export interface CreateOptions extends AccessOptions, Pick<InitOptions, 'parity' | 'data'> {
  /** As the key slot names its owner; this process's user and machine when they are not given. */
  readonly user?: string;
  readonly host?: string;
}

/** Gets how far an operation is, some times a second and at its end. */
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
  /** The snapshot to compare with; `null` for none. Without it: the last one of this host and these paths. */
  readonly parent?: StoredSnapshot | null;
  /** Errors of single files, and, with `verbose`, each item. */
  readonly onEvent?: (event: BackupEvent) => void;
  readonly verbose?: boolean;
}

/** A stream that is stored as one file, such as a database dump. */
export interface StreamToStore {
  /** Absolute. */
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
  /** A path in the snapshot; everything when it is not given. */
  readonly path?: Path;
  /** Patterns as `--include` has them. */
  readonly include?: readonly string[] | readonly PatternSpec[];
  readonly exclude?: readonly string[] | readonly PatternSpec[];
  /** Whether owners are set; when it is not given, only if this process runs as root. */
  readonly setOwner?: boolean;
}

/** How many snapshots `forget` keeps: `{ last: 3, daily: 7 }`. */
export type KeepCounts = Policy['counts'];

export interface ForgetSettings {
  /** What to keep of each group. */
  readonly keep: KeepCounts | Policy;
  readonly filter?: SnapshotFilter;
  /** Host and paths when it is not given. */
  readonly groupBy?: Partial<GroupBy>;
  /** Lets the policy remove all snapshots of a group. */
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
  /** Packs that are read whole: all, or a part as `--read-data-subset` has it, such as `'1/7'`, `'5%'`, `'10G'`. */
  readonly readData?: boolean | string;
}

/** Bytes of a file; `end` is not included. */
export interface ByteRange {
  readonly start?: number;
  readonly end?: number;
}
