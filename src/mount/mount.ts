// Mounts a repository: lease, snapshots, index, kernel.
// The kernel's protocol is left to protocol/, its answers to filesystem/, the directories of snapshots to view/.

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
import { LiveRepository } from './filesystem/live-repository.js';
import { prewarm } from './filesystem/prewarm.js';
import { LiveView } from './live-view.js';
import { type Mounted, mount, readAheadSetting } from './protocol/mounting.js';
import { Session } from './protocol/session.js';
import { watch } from './protocol/watchdog.js';
import { DEFAULT_PATHS, DEFAULT_TIME } from './view/templates.js';

/** KiB of the kernel's read-ahead where it can be set. The default of 128 would make eight times as many requests. */
const READ_AHEAD = 1024;

export interface MountOptions {
  readonly filter: SnapshotFilter;
  readonly pathTemplates: readonly string[];
  readonly timeTemplate: string;
  /** Bytes of decoded contents to keep in memory. */
  readonly cacheSize: number;
  /** Whether root owns everything. */
  readonly ownerRoot: boolean;
  /** Whether other users may use the mount. */
  readonly allowOther: boolean;
  /** Whether the kernel checks modes and owners. */
  readonly defaultPermissions: boolean;
  /** Called with what cannot be read, and the reason. */
  readonly onError: (message: string) => void;
}

/** The options of `varve mount` when none are given. */
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
  /** The mount point, with links resolved. */
  readonly path: string;
  /** Resolves when the mount ends, for whatever reason. */
  readonly ended: Promise<void>;
  /** Unmounts. @returns false when the mount was in use: it is then detached, and programs that use it get errors */
  stop(): Promise<boolean>;
  /** Ends the threads and releases the lease. Call it after `ended`. */
  close(): Promise<void>;
}

/**
 * Mounts a repository's snapshots.
 *
 * @throws VarveError whose message says what is missing
 */
export async function mountRepository(
  opened: Repository,
  mountpoint: string,
  options: MountOptions,
): Promise<RunningMount> {
  opened.keys.requireRole('full', 'read the contents of files');
  const { onError } = options;
  // Before the index is read: from then on a prune keeps what it condemns.
  const lease = await leaseOrNone(opened, onError);
  try {
    const onDamage = ({ message }: VarveError): void => onError(`a part of the index cannot be read: ${message}`);
    // Snapshots before the index: the index then has all that they need.
    const list = await listSnapshots(opened);
    const repository = new LiveRepository(await loadIndex(opened, { onDamage }), onDamage);
    const view = new LiveView(repository, options);
    view.begin(list);
    const mounted = await mount(mountpoint, { ...options, source: sourceName(opened) });
    const latest = list.snapshots.findLast(
      (stored) => stored.doubt === undefined && matchesFilter(stored, options.filter),
    );
    return serve(repository, view, mounted, lease, latest, options);
  } catch (cause) {
    await lease?.release();
    throw cause;
  }
}

function serve(
  repository: LiveRepository,
  view: LiveView,
  mounted: Mounted,
  lease: HeldLease | undefined,
  latest: StoredSnapshot | undefined,
  options: MountOptions,
): RunningMount {
  const { onError } = options;
  const watchdog = watch(mounted.path);
  const filesystem = new SnapshotFilesystem({
    repository,
    view,
    cacheSize: options.cacheSize,
    viewOwner: options.ownerRoot ? ROOT : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    owner: options.ownerRoot ? ROOT : undefined,
    seed: seedOf(repository.current),
    onError,
    onInitialized: () => {
      raiseReadAhead(mounted.path);
      // An error is reported again to the program that reads the same data.
      if (latest !== undefined) prewarm(repository, latest.snapshot.root).catch(() => undefined);
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

/** The lease, if it can be written. A read-only store can be mounted without one: no prune removes anything there. */
async function leaseOrNone(repository: Repository, onError: (message: string) => void): Promise<HeldLease | undefined> {
  try {
    return await HeldLease.acquire(repository, 'mount');
  } catch (cause) {
    onError(
      `cannot write a lease, so a prune may remove packs that this mount needs: ${VarveError.from(cause).message}`,
    );
    return undefined;
  }
}

/** The source that `df` shows, without characters that would end a mount option. */
function sourceName({ store }: Repository): string {
  return `varve:${store.location}`.replaceAll(/[^\x21-\x7e]/g, '_');
}

/** A seed that stays the same for a repository, and that only a key reveals. */
function seedOf({ keys }: Repository): readonly [number, number] {
  const digest = createHmac('sha256', keys.id).update('varve/1/mount/inodes').digest();
  return [digest.readInt32LE(0), digest.readInt32LE(4)];
}

/** Sets the kernel's read-ahead. Only root can do this. */
function raiseReadAhead(path: string): void {
  try {
    const setting = readAheadSetting(path);
    if (setting !== undefined) writeFileSync(setting, String(READ_AHEAD));
  } catch {
    // Without it varve prefetches all the same, and the kernel sends more requests.
  }
}
