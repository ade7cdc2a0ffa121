import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { VarveError } from '../errors/errors.js';
import { loadIndex } from '../repository/index/index-store.js';
import { HeldLease } from '../repository/leases/leases.js';
import type { Repository } from '../repository/repository.js';
import {
  listSnapshots,
  matchesFilter,
  type SnapshotFilter,
  type StoredSnapshot,
} from '../repository/snapshots/snapshots.js';
import { SnapshotFilesystem } from './filesystem/filesystem.js';
import { rehearse } from './filesystem/rehearsal.js';
import { Source } from './filesystem/source.js';
import { LiveView } from './live-view.js';
import { type Mounted, mount, readAheadSetting } from './protocol/mounting.js';
import { Session } from './protocol/session.js';
import { watch } from './protocol/watchdog.js';
import { DEFAULT_PATHS, DEFAULT_TIME } from './view/templates.js';

/** KiB that the kernel reads ahead where we may say so: 128 of its own would be eight times as many requests. */
const READ_AHEAD = 1024;

export interface MountOptions {
  readonly filter: SnapshotFilter;
  readonly pathTemplates: readonly string[];
  readonly timeTemplate: string;
  /** Bytes of opened contents that are kept. */
  readonly cacheSize: number;
  /** Everything belongs to root. */
  readonly ownerRoot: boolean;
  /** Others than who mounts may look into it. */
  readonly allowOther: boolean;
  /** Whoever may look into it sees only what modes and owners let them. */
  readonly defaultPermissions: boolean;
  /** Is told what cannot be read, and why. */
  readonly onError: (message: string) => void;
}

/** What `varve mount` does without options. */
export const MOUNT_DEFAULTS = {
  filter: {},
  pathTemplates: DEFAULT_PATHS,
  timeTemplate: DEFAULT_TIME,
  cacheSize: 128 * 1024 * 1024,
  ownerRoot: false,
  allowOther: false,
  defaultPermissions: false,
} as const satisfies Omit<MountOptions, 'onError'>;

/** A repository that is mounted. */
export interface RunningMount {
  /** Where, without links in it. */
  readonly path: string;
  /** Resolves when it is gone, whoever took it away. */
  readonly ended: Promise<void>;
  /** Takes it away. @returns false when it was in use: then it is out of sight, and who uses it gets errors */
  stop(): Promise<boolean>;
  /** To be called when it has ended: ends threads, and gives back the lease. */
  close(): Promise<void>;
}

/**
 * Mounts a repository's snapshots.
 *
 * @throws VarveError that says what is missing
 */
export async function mountRepository(
  opened: Repository,
  mountpoint: string,
  options: MountOptions,
): Promise<RunningMount> {
  opened.keys.requireRole('full', 'read the contents of files');
  const { onError } = options;
  // Before the index is read: a prune spares what was condemned since.
  const lease = await leaseOrNone(opened, onError);
  try {
    const onDamage = ({ message }: VarveError): void => onError(`a part of the index is left out: ${message}`);
    // What the snapshots need is in the index by then.
    const list = await listSnapshots(opened);
    const source = new Source(await loadIndex(opened, { onDamage }), onDamage);
    const view = new LiveView(source, options);
    view.begin(list);
    const mounted = await mount(mountpoint, { ...options, source: sourceName(opened) });
    const latest = list.snapshots.findLast(({ snapshot }) => matchesFilter(snapshot, options.filter));
    return serve(source, view, mounted, lease, latest, options);
  } catch (cause) {
    await lease?.release();
    throw cause;
  }
}

function serve(
  source: Source,
  view: LiveView,
  mounted: Mounted,
  lease: HeldLease | undefined,
  latest: StoredSnapshot | undefined,
  options: MountOptions,
): RunningMount {
  const { onError } = options;
  const watchdog = watch(mounted.path);
  const filesystem = new SnapshotFilesystem({
    source,
    view,
    cacheSize: options.cacheSize,
    viewOwner: options.ownerRoot ? ROOT : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    owner: options.ownerRoot ? ROOT : undefined,
    seed: seedOf(source.repository),
    onError,
    onBegun: () => {
      readFurtherAhead(mounted.path);
      // What cannot be read is told to who asks for it.
      if (latest !== undefined) rehearse(source, latest.snapshot.root).catch(() => undefined);
    },
  });
  const acl = options.allowOther && options.defaultPermissions;
  const onDefect = (cause: unknown): void => onError(VarveError.from(cause).message);
  const session = new Session(mounted.file, filesystem, acl, onDefect);
  session.start();
  void session.ended.then(() => watchdog.dismiss());
  return {
    path: mounted.path,
    ended: session.ended,
    async stop() {
      const free = await mounted.unmount(false);
      if (!free) await mounted.unmount(true);
      session.close();
      return free;
    },
    async close() {
      session.close();
      await Promise.all([filesystem.close(), lease?.release()]);
    },
  };
}

const ROOT = { uid: 0, gid: 0 };

/** A store that cannot be written to can be mounted all the same: there no prune takes anything away. */
async function leaseOrNone(repository: Repository, onError: (message: string) => void): Promise<HeldLease | undefined> {
  try {
    return await HeldLease.acquire(repository, 'mount');
  } catch (cause) {
    onError(
      `no lease can be written, so a prune does not know of this mount, and may remove what it needs: ${VarveError.from(cause).message}`,
    );
    return undefined;
  }
}

/** As `df` shows it; without what would end an option. */
function sourceName({ store }: Repository): string {
  return `varve:${store.location}`.replaceAll(/[^\x21-\x7e]/g, '_');
}

/** Known to nobody without a key, and the same each time. */
function seedOf({ keys }: Repository): readonly [number, number] {
  const digest = createHmac('sha256', keys.id).update('varve/1/mount/inodes').digest();
  return [digest.readInt32LE(0), digest.readInt32LE(4)];
}

/** Only root may. */
function readFurtherAhead(path: string): void {
  try {
    const setting = readAheadSetting(path);
    if (setting !== undefined) writeFileSync(setting, String(READ_AHEAD));
  } catch {
    // Then what is ahead is only opened here, and asked for in smaller pieces.
  }
}
