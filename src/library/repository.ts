// The library's front door: one object with a method for each operation.
// The work is left to the directories of the operations, which are loaded when they are needed.

import { Buffer } from 'node:buffer';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import type { BackupOptions, BackupResult } from '../backup/options.js';
import { figuresBefore, findParent, requireParent } from '../backup/parent.js';
import { findSources } from '../backup/sources.js';
import { type ListedEntry, type ListOptions, listTree } from '../browse/list.js';
import { toHex } from '../bytes/hex.js';
import type { CheckResult } from '../check/options.js';
import { ALL, parseSubset } from '../check/subset.js';
import type { Role } from '../crypto/hierarchy.js';
import { VarveError } from '../errors/errors.js';
import { type FilterSpec, NO_FILTER } from '../filesystem/filter.js';
import { joinPath } from '../format/path.js';
import type { MountOptions, RunningMount } from '../mount/mount.js';
import type { PruneResult } from '../prune/options.js';
import { type IndexedRepository, loadIndex, loadIndexToWrite } from '../repository/index/index-store.js';
import { loadAndAdopt } from '../repository/index/orphans.js';
import { userName } from '../repository/machine.js';
import { initRepository, openRepository } from '../repository/opening/open.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import type { Repository as OpenedRepository } from '../repository/repository.js';
import {
  findSnapshot,
  listSnapshots,
  matchesFilter,
  type SnapshotFilter,
  type SnapshotList,
  type StoredSnapshot,
} from '../repository/snapshots/snapshots.js';
import type { RestoreProgress } from '../restore/options.js';
import { startingPoint } from '../restore/starting-point.js';
import { type ForgetFailure, forgetSnapshots, type PlannedGroup, planForget } from '../retention/forget.js';
import type { Policy } from '../retention/policy.js';
import type { Store } from '../storage/store.js';
import { timeFromMillis } from '../time/time.js';
import { engineOptions, storeAt } from './access.js';
import type {
  AccessOptions,
  BackupSettings,
  ByteRange,
  CheckSettings,
  CreateOptions,
  ForgetSettings,
  PruneSettings,
  RestoreSettings,
  StreamToStore,
} from './options.js';
import { type Path, pathBytes, pathNames } from './paths.js';
import { ProgressReports } from './progress.js';
import { PROGRAM } from './version.js';

/** The result of `forget`; with `dryRun` what it would do. */
export interface Forgotten {
  readonly groups: readonly PlannedGroup[];
  /** Snapshots that could not be removed, with the errors. */
  readonly failures: readonly ForgetFailure[];
}

/**
 * A repository with a method for each operation of the command line. Methods throw a VarveError, whose `code` says what went wrong.
 *
 * ```ts
 * await using repository = await Repository.open('/mnt/backup/varve', { password });
 * await repository.backup('/home/anna', { tags: ['daily'] });
 * await repository.forget({ keep: { daily: 7, weekly: 5 } });
 * await repository.prune();
 * ```
 */
export class Repository implements AsyncDisposable {
  /** The open repository, for functions of the library that take one. */
  readonly opened: OpenedRepository;
  readonly #onWarning: (text: string) => void;
  /** The cached index. Dropped when this object changes the repository or lists its snapshots again. */
  #index: Promise<IndexedRepository> | undefined;

  private constructor(opened: OpenedRepository, { onWarning }: AccessOptions) {
    this.opened = opened;
    this.#onWarning = onWarning ?? (() => undefined);
  }

  /**
   * Creates a repository with one key slot, of the role `full`.
   *
   * @param location a directory, `s3:…`, `sftp:…`, `rest:…`, `rclone:…`, or a store
   * @throws VarveError `repository-exists`
   */
  static async create(location: string | Store, options: CreateOptions): Promise<Repository> {
    const { user = userName(), host = hostname(), parity, data } = options;
    const more = { user, host, parity, ...(data !== undefined && { data }) };
    return Repository.#with(location, options, (store) =>
      initRepository(store, { ...engineOptions(options), ...more }),
    );
  }

  /**
   * Opens a repository.
   *
   * @param location a directory, `s3:…`, `sftp:…`, `rest:…`, `rclone:…`, or a store
   * @throws VarveError `no-repository`, `wrong-password`, `unreachable`
   */
  static async open(location: string | Store, options: AccessOptions): Promise<Repository> {
    return Repository.#with(location, options, (store) => openRepository(store, engineOptions(options)));
  }

  static async #with(
    location: string | Store,
    options: AccessOptions,
    open: (store: Store) => Promise<OpenedRepository>,
  ): Promise<Repository> {
    const store = await storeAt(location, options);
    try {
      return new Repository(await open(store), options);
    } catch (cause) {
      if (typeof location === 'string') await store.close();
      throw cause;
    }
  }

  /** The repository's id: 64 hexadecimal digits. */
  get id(): string {
    return toHex(this.opened.config.repository);
  }

  /** The role of the key slot that opened the repository. */
  get role(): Role {
    return this.opened.keys.role;
  }

  /** The snapshots that match the filter, oldest first. One that cannot be read is left out, with a warning. */
  async snapshots(filter: SnapshotFilter = {}): Promise<readonly StoredSnapshot[]> {
    const { snapshots } = await this.#list();
    return snapshots.filter((stored) => matchesFilter(stored, filter));
  }

  /**
   * Finds a snapshot.
   *
   * @param name `latest`, an id, or a prefix of an id
   * @throws VarveError `not-found`, `ambiguous`, or the error of reading it
   */
  async snapshot(name: string, filter: SnapshotFilter = {}): Promise<StoredSnapshot> {
    return findSnapshot(await this.#list(), name, filter);
  }

  /**
   * Makes a snapshot of files and directories, or of one stream.
   *
   * @returns counts; `errors` is the number of paths that could not be read
   * @throws VarveError `source` when nothing could be read
   */
  async backup(sources: Path | readonly Path[] | StreamToStore, options: BackupSettings = {}): Promise<BackupResult> {
    const { backup } = await import('../backup/backup.js');
    const { onProgress, parent, time, ...more } = options;
    const from = sourcesOf(sources);
    const { repository } =
      options.dryRun === true
        ? { repository: await loadIndexToWrite(this.opened, this.#warnOfIndex) }
        : await loadAndAdopt(this.opened, this.#warnOfIndex);
    const list = await this.#list();
    const when = time === undefined ? undefined : timeFromMillis(time.getTime());
    const made = { host: more.host ?? hostname(), tags: more.tags ?? [], time: when };
    const own = toHex(repository.identity.slot);
    const progress = new ProgressReports(onProgress);
    try {
      return await backup(repository, {
        user: userName(),
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
        program: PROGRAM,
        compression: 'auto',
        ...more,
        host: made.host,
        tags: made.tags,
        ...(when !== undefined && { time: when }),
        filter: filterOf(options),
        sources: from,
        directory: Buffer.from(process.cwd()),
        parent: parentFrom(from, parent, list, { ...made, own }),
        earlierFigures: figuresBefore(list, made, own),
        onStart: progress.start,
      });
    } finally {
      progress.end();
      this.#index = undefined;
    }
  }

  /**
   * Restores a snapshot, or a path of it, into a directory.
   *
   * @param snapshot from `snapshots`, or its name as `snapshot` takes it
   * @returns counts; `errors` is the number of paths that could not be restored
   */
  async restore(
    snapshot: StoredSnapshot | string,
    target: string,
    options: RestoreSettings = {},
  ): Promise<RestoreProgress> {
    const { restore } = await import('../restore/restore.js');
    const { onProgress, path = '/', include, exclude, setOwner = process.geteuid?.() === 0, ...more } = options;
    const { root } = (await this.#named(snapshot)).snapshot;
    const repository = await this.#read();
    const trees = new TreeReader(repository, { signal: options.signal });
    const progress = new ProgressReports(onProgress);
    try {
      return await restore(repository, {
        ...(await startingPoint(trees, root, pathNames(path))),
        ...more,
        target: resolve(target),
        setOwner,
        ...(include !== undefined && { includes: patternsOf(include) }),
        ...(exclude !== undefined && { excludes: patternsOf(exclude) }),
        onStart: progress.start,
      });
    } finally {
      progress.end();
    }
  }

  /**
   * Opens a file as a stream of its verified bytes, with zeros for holes. Only the range that is read is fetched.
   *
   * @throws VarveError `not-found`, or `usage` when the path is not a file. Errors of reading destroy the stream
   */
  async open(snapshot: StoredSnapshot | string, path: Path, range: ByteRange = {}): Promise<Readable> {
    const { root } = (await this.#named(snapshot)).snapshot;
    const names = pathNames(path);
    const trees = new TreeReader(await this.#read());
    const shown = `/${names.join('/')}`;
    if (names.length === 0) throw new VarveError('usage', '/: is the root directory, not a file');
    const entry = await trees.find(root, names);
    if (entry.type !== 'file') throw new VarveError('usage', `${shown}: is a ${entry.type}, not a file`);
    return Readable.from(trees.file(entry, shown, range), { objectMode: false });
  }

  /** Lists a directory in order of name, with everything below it if `recursive` is set. An entry is valid until the next is read. */
  async *list(
    snapshot: StoredSnapshot | string,
    path: Path = '/',
    options: Partial<ListOptions> = {},
  ): AsyncGenerator<ListedEntry> {
    const { root } = (await this.#named(snapshot)).snapshot;
    const names = pathNames(path);
    const trees = new TreeReader(await this.#read(), { signal: options.signal });
    const directory = await trees.directory(root, names);
    const at = names.reduce((above, name) => joinPath(above, name), Buffer.from('/'));
    yield* listTree(trees, directory, at, { recursive: false, ...options });
  }

  /** Removes the snapshots that a policy does not keep, group by group. Their data stay until `prune`. */
  async forget(options: ForgetSettings): Promise<Forgotten> {
    const { keep, filter, groupBy = {}, allowRemoveAll = false, dryRun, signal } = options;
    const snapshots = await this.snapshots(filter);
    const policy: Policy = 'counts' in keep ? (keep as Policy) : { counts: keep, withinEach: {}, tags: [] };
    const by = { host: true, paths: true, tags: false, ...groupBy };
    const groups = planForget(snapshots, {
      policy,
      groupBy: by,
      allowRemoveAll,
      now: timeFromMillis(this.opened.clock()),
    });
    if (dryRun === true) return { groups, failures: [] };
    const removed = new Set(groups.flatMap(({ remove }) => remove));
    const oldestFirst = snapshots.filter((each) => removed.has(each));
    const failures = await forgetSnapshots(this.opened, oldestFirst, signal === undefined ? {} : { signal });
    return { groups, failures };
  }

  /** Removes what no snapshot needs. Condemns packs first; a later prune deletes them after the grace time. */
  async prune(options: PruneSettings = {}): Promise<PruneResult> {
    const [{ prune }, { PRUNE_DEFAULTS }] = await Promise.all([
      import('../prune/prune.js'),
      import('../prune/options.js'),
    ]);
    try {
      return await prune(this.opened, { ...PRUNE_DEFAULTS, ...options });
    } finally {
      this.#index = undefined;
    }
  }

  /** Checks that the repository is sound. @returns `findings`: what is wrong, and which files are affected */
  async check(options: CheckSettings = {}): Promise<CheckResult> {
    const { check } = await import('../check/check.js');
    const { onProgress, readData = false, ...more } = options;
    const progress = new ProgressReports(onProgress);
    const subset = readData === true ? ALL : readData === false ? undefined : parseSubset(readData);
    try {
      return await check(this.opened, { ...more, readData: subset, onStart: progress.start });
    } finally {
      progress.end();
    }
  }

  /**
   * Mounts the snapshots as a file system, until `stop` is called or another program unmounts it. Then call `close` of the result.
   *
   * @param mountpoint an empty directory
   */
  async mount(mountpoint: string, options: Partial<MountOptions> = {}): Promise<RunningMount> {
    const { mountRepository, MOUNT_DEFAULTS } = await import('../mount/mount.js');
    return mountRepository(this.opened, mountpoint, { ...MOUNT_DEFAULTS, onError: this.#onWarning, ...options });
  }

  /** Closes the connections to the store. */
  async close(): Promise<void> {
    await this.opened.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #named(snapshot: StoredSnapshot | string): Promise<StoredSnapshot> {
    return typeof snapshot === 'string' ? this.snapshot(snapshot) : snapshot;
  }

  /** Lists the snapshots and drops the index, because an older index may lack what new snapshots need. */
  async #list(): Promise<SnapshotList> {
    this.#index = undefined;
    const list = await listSnapshots(this.opened);
    for (const { error } of list.failures) this.#onWarning(`a snapshot is skipped: ${error.message}`);
    return list;
  }

  #read(): Promise<IndexedRepository> {
    if (this.#index === undefined) {
      const index = loadIndex(this.opened, { onDamage: this.#warnOfIndex });
      this.#index = index;
      index.catch(() => {
        if (this.#index === index) this.#index = undefined;
      });
    }
    return this.#index;
  }

  readonly #warnOfIndex = ({ message }: VarveError): void => {
    this.#onWarning(`a part of the index cannot be read: ${message}`);
  };
}

function sourcesOf(sources: Path | readonly Path[] | StreamToStore): BackupOptions['sources'] {
  if (typeof sources === 'string' || sources instanceof Uint8Array) return [pathBytes(sources)];
  if ('bytes' in sources) return { path: pathBytes(sources.path), bytes: sources.bytes };
  return sources.map(pathBytes);
}

/** Picks the filter's options. They go to worker threads, which accept no functions. */
function filterOf(options: BackupSettings): FilterSpec {
  const { excludes, iexcludes, excludeRegexes, excludeCaches, excludeIfPresent, excludeLargerThan, oneFileSystem } =
    options;
  return {
    excludes: excludes ?? NO_FILTER.excludes,
    iexcludes: iexcludes ?? NO_FILTER.iexcludes,
    excludeRegexes: excludeRegexes ?? NO_FILTER.excludeRegexes,
    excludeCaches: excludeCaches ?? NO_FILTER.excludeCaches,
    excludeIfPresent: excludeIfPresent ?? NO_FILTER.excludeIfPresent,
    ...(excludeLargerThan !== undefined && { excludeLargerThan }),
    oneFileSystem: oneFileSystem ?? NO_FILTER.oneFileSystem,
  };
}

function parentFrom(
  sources: BackupOptions['sources'],
  parent: StoredSnapshot | null | undefined,
  list: SnapshotList,
  made: {
    readonly host: string;
    readonly tags: readonly string[];
    readonly time: BackupOptions['time'];
    readonly own: string;
  },
): StoredSnapshot | undefined {
  if (parent === null || 'bytes' in sources) return undefined;
  if (parent !== undefined) return requireParent(parent, made.own);
  const { paths } = findSources(sources, Buffer.from(process.cwd()));
  return findParent(list, { ...made, paths }, { host: true, paths: true, tags: false }, made.own);
}

function patternsOf(patterns: NonNullable<RestoreSettings['include']>) {
  return patterns.map((each) => (typeof each === 'string' ? { patterns: [each], insensitive: false } : each));
}
