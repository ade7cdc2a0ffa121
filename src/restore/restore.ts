import { Buffer } from 'node:buffer';
import { existsSync } from 'node:fs';
import { exportKeys } from '../crypto/hierarchy.js';
import { endsAll, isInterrupted, systemReason, VarveError } from '../errors/errors.js';
import type { FileStat } from '../filesystem/stat.js';
import { isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import { makeDirectories } from '../storage/make-directories.js';
import { defaultThreads, WorkerPool } from '../workers/pool.js';
import {
  below,
  type Directory,
  rootDirectory,
  type Subdirectory,
  subdirectoryOf,
  targetWithEntry,
} from './directory.js';
import { layoutOf } from './file-content.js';
import { HardLinks } from './hard-links.js';
import { LinkMaker } from './link-maker.js';
import { type FileTarget, INTERRUPTED, type Reply, type RestorePool, type Task, type WorkerInit } from './messages.js';
import { caseCollision, foldCase } from './names.js';
import type { RestoreOptions, RestoreProgress } from './options.js';
import { LOCAL_LIMITS, type RangeLimits, REMOTE_LIMITS } from './plan.js';
import { RangeBuffers } from './range-buffers.js';
import { inSnapshot, RestoreReporter, withoutPath } from './reporter.js';
import { Selection } from './selection.js';
import { shouldWrite, Target } from './target.js';
import { beginRun, endRun, isTemporary, Leftovers, markerName, probeName } from './temporary-names.js';
import { RestoreWindow } from './window.js';

/** Blobs planned while others are restored: it bounds the memory for the plans. */
const WINDOW = 75_000;
/** The same for a remote store. Larger, because a pack that two windows need is fetched twice. */
const REMOTE_WINDOW = 300_000;
/** Blobs planned while the workers have nothing to do. */
const FIRST_WINDOW = 5_000;
const DIRECTORIES_PER_TASK = 512;
/** Subdirectories of one directory held in memory until everything else in it is planned. */
const MAX_SUBDIRECTORIES = 10_000;
const WORKER = new URL('./restore-worker.js', import.meta.url);

/**
 * Restores a directory of a snapshot. It writes nothing outside the target, and a file gets its name only when it is complete.
 *
 * @throws VarveError `role` for a key that cannot read contents, `target` when the target cannot be written, `full`, `interrupted`;
 * failures of single paths are reported as events and counted instead
 */
export async function restore(repository: IndexedRepository, options: RestoreOptions): Promise<RestoreProgress> {
  repository.keys.requireRole('full', 'restore files');
  if (options.dryRun !== true) makeTarget(options.target);
  const run = new RestoreRun(repository, options);
  let full = false;
  try {
    return await run.restore();
  } catch (cause) {
    full = cause instanceof VarveError && cause.code === 'full';
    throw isInterrupted(cause) ? new VarveError('interrupted', INTERRUPTED) : cause;
  } finally {
    await run.close(full);
  }
}

function makeTarget(path: string): void {
  try {
    makeDirectories(path);
  } catch (cause) {
    throw new VarveError('target', `cannot create the target ${path}: ${systemReason(cause)}`, { cause });
  }
}

function openTarget(path: string, dryRun: boolean, run: string): Target {
  try {
    return new Target(path, dryRun, probeName(run));
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    throw new VarveError('target', `cannot restore to ${path}: ${systemReason(cause)}`, { cause });
  }
}

const SPECIAL_TYPES: readonly string[] = ['fifo', 'socket', 'character', 'block'];
const SET_ID_BITS = 0o6000;

class RestoreRun {
  readonly #repository: IndexedRepository;
  readonly #options: RestoreOptions;
  readonly #trees: TreeReader;
  readonly #selection: Selection;
  readonly #target: Target | undefined;
  /** Undefined in a dry run whose target does not exist: there is nothing to compare with. */
  readonly #pool: RestorePool | undefined;
  /** Limits of a window, and of the ranges in it. */
  readonly #windowSize: number;
  readonly #limits: RangeLimits;
  readonly #buffers: RangeBuffers;
  /** The window that is being planned. */
  #window: RestoreWindow;
  /** The window that is being restored. */
  #running: { readonly window: RestoreWindow; readonly done: Promise<void> } | undefined;
  #idle = true;
  #failure: unknown;
  readonly #run = beginRun();
  readonly #flags = new Int32Array(new SharedArrayBuffer(4));
  /** Directories whose metadata remain to be set, parents before children. */
  readonly #directories: Directory[] = [];
  readonly #reporter: RestoreReporter;
  readonly #links = new HardLinks();
  readonly #linkMaker: LinkMaker;
  readonly #onAbort = (): void => void Atomics.store(this.#flags, 0, 1);

  constructor(repository: IndexedRepository, options: RestoreOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#reporter = new RestoreReporter(options);
    this.#trees = new TreeReader(repository, { signal: options.signal });
    this.#selection = new Selection(options);
    const isRemote = repository.store.connections !== undefined;
    this.#windowSize = isRemote ? REMOTE_WINDOW : WINDOW;
    this.#limits = isRemote ? REMOTE_LIMITS : LOCAL_LIMITS;
    this.#buffers = new RangeBuffers(this.#limits.bytes);
    const dryRun = options.dryRun === true;
    // A dry run does not make the target. Without one, everything would be restored.
    if (!dryRun || existsSync(options.target)) {
      this.#target = openTarget(options.target, dryRun, this.#run);
      this.#pool = this.#startPool(dryRun);
    }
    this.#linkMaker = new LinkMaker(dryRun ? undefined : this.#pool, this.#target, this.#reporter);
    this.#window = this.#newWindow();
    options.signal?.addEventListener('abort', this.#onAbort);
    if (options.signal?.aborted === true) this.#onAbort();
    options.onStart?.(() => this.#reporter.progress);
  }

  async restore(): Promise<RestoreProgress> {
    const root = rootDirectory(this.#target === undefined);
    this.#lookForLeftovers(root);
    const marker = this.#becomesDirectory(root) ? markerName(this.#run) : undefined;
    if (marker !== undefined) this.#mark(marker);
    await this.#walk(root, this.#options.root);
    await this.#runWindow();
    await this.#running?.done;
    if (marker !== undefined) this.#target?.discard(marker);
    await this.#finishDirectories();
    return this.#reporter.progress;
  }

  /** Whether the target, because it was empty, also gets the metadata of the restored directory. */
  #becomesDirectory({ leftovers }: Directory): boolean {
    const { directory, dryRun } = this.#options;
    if (directory === undefined || dryRun === true || leftovers?.alone !== true) return false;
    this.#directories.push(targetWithEntry(directory));
    this.#reporter.progress.totalDirs++;
    this.#target?.becomesDirectory();
    return true;
  }

  #mark(marker: Buffer): void {
    const { target } = this.#options;
    try {
      this.#target?.makeEmpty(marker);
    } catch (cause) {
      throw new VarveError('target', `cannot write to the target ${target}: ${systemReason(cause)}`, { cause });
    }
  }

  /** @param full whether the target is full: then partly written files are removed */
  async close(full: boolean): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await this.#pool?.close();
    await this.#running?.done.catch(() => undefined);
    if (full) for (const path of this.#running?.window.leftovers ?? []) this.#target?.discard(path);
    this.#target?.close();
    endRun(this.#run);
  }

  #startPool(dryRun: boolean): RestorePool {
    const { keys, index } = this.#repository;
    const { target, setOwner, numericOwner = false, noSpecial = false, sparse = false, xattrs } = this.#options;
    const data = {
      keys: exportKeys(keys),
      index: index.shared,
      target,
      rules: { privileged: setOwner, numericOwner, special: !noSpecial, sparse, dryRun, xattrs },
      run: this.#run,
      flags: this.#flags,
    };
    const threads = this.#options.threads ?? defaultThreads();
    const pool = new WorkerPool<WorkerInit, Task, Reply>(WORKER, threads, () => ({ data, transfer: [] }));
    return pool as RestorePool;
  }

  async #walk(directory: Directory, content: ContentRef): Promise<void> {
    this.#stopIfAborted();
    if (directory.depth > MAX_DEPTH)
      throw new VarveError('damaged', `${directory.path}: directories are nested too deeply`);
    const { only, delete: removes = false } = this.#options;
    const subdirectories: Subdirectory[] = [];
    let directories = 0;
    const names = new Set<string>();
    let whole = false;
    let nameless = false;
    const onBad = (bad: BadEntry): void => {
      if (bad.name !== undefined) names.add(bad.name.toString('latin1'));
      else nameless = true;
      this.#failBad(directory, bad);
    };
    try {
      for await (const entry of this.#trees.entries(content, inSnapshot(directory.path).toString(), onBad)) {
        if (directory.depth === 0 && only !== undefined && !entry.name.equals(only)) continue;
        if (removes) names.add(entry.name.toString('latin1'));
        if (isTemporary(entry.name)) directory.lookalikes.add(entry.name.toString('latin1'));
        if (entry.type === 'directory' && ++directories > MAX_SUBDIRECTORIES) continue;
        const subdirectory = await this.#entry(directory, entry);
        if (subdirectory !== undefined) subdirectories.push(subdirectory);
        if (this.#window.size + this.#links.size >= (this.#idle ? FIRST_WINDOW : this.#windowSize))
          await this.#runWindow();
      }
      whole = !nameless && (directory.depth > 0 || only === undefined);
    } catch (cause) {
      if (cause === this.#failure) throw cause;
      this.#reporter.fail(directory.path, cause);
    }
    if (whole) this.#removeLeftovers(directory);
    if (removes && whole) this.#deleteOthers(directory, names);
    for (const each of subdirectories) await this.#walk(each.directory, each.content);
    if (directories > MAX_SUBDIRECTORIES) await this.#walkRest(directory, content);
  }

  /** Reads a directory a second time and walks each subdirectory beyond MAX_SUBDIRECTORIES as it comes. */
  async #walkRest(directory: Directory, content: ContentRef): Promise<void> {
    let directories = 0;
    let isWalking = false;
    try {
      for await (const entry of this.#trees.entries(content, inSnapshot(directory.path).toString())) {
        if (entry.type !== 'directory' || ++directories <= MAX_SUBDIRECTORIES) continue;
        const subdirectory = await this.#entry(directory, entry);
        isWalking = true;
        if (subdirectory !== undefined) await this.#walk(subdirectory.directory, subdirectory.content);
        isWalking = false;
      }
    } catch (cause) {
      if (isWalking) throw cause;
      this.#reporter.fail(directory.path, cause);
    }
  }

  /** Reports an entry that cannot be read, if it may be selected. A file of that name in the target stays. */
  #failBad(directory: Directory, { name, error }: BadEntry): void {
    const reason = withoutPath(error.message, inSnapshot(directory.path));
    const cause = new VarveError('damaged', reason, { cause: error });
    if (name === undefined) return this.#reporter.fail(directory.path, cause);
    const { only } = this.#options;
    if (directory.depth === 0 && only !== undefined && !name.equals(only)) return;
    directory.leftovers?.take(name);
    const path = below(directory, name);
    const { selected, descend } = this.#selection.choose(inSnapshot(path));
    if (selected || descend) this.#reporter.fail(path, cause);
  }

  #newWindow(): RestoreWindow {
    const { verify = false, dryRun = false } = this.#options;
    return new RestoreWindow(this.#repository, this.#pool, this.#reporter, {
      verify,
      dryRun,
      run: this.#run,
      limits: this.#limits,
      buffers: this.#buffers,
    });
  }

  /** Starts restoring the planned window, after waiting for the one before it. */
  async #runWindow(): Promise<void> {
    await this.#running?.done;
    const window = this.#window;
    const links = this.#links.take();
    const done = window.run().then(() => this.#linkMaker.make(links));
    this.#idle = false;
    done.then(
      () => {
        this.#idle = true;
      },
      (cause) => {
        this.#failure = cause;
      },
    );
    this.#running = { window, done };
    this.#window = this.#newWindow();
  }

  /** Plans an entry. @returns the directory to walk, if it is one */
  async #entry(directory: Directory, entry: EntryReader): Promise<Subdirectory | undefined> {
    const path = below(directory, entry.name);
    const { selected, descend } = this.#selection.choose(inSnapshot(path));
    try {
      if (entry.type === 'directory')
        return selected || descend ? this.#subdirectory(directory, path, entry, selected) : undefined;
      if (selected) await this.#file(directory, path, entry);
      else directory.leftovers?.take(entry.name);
    } catch (cause) {
      this.#reporter.fail(path, cause);
    }
    return undefined;
  }

  #subdirectory(parent: Directory, path: Buffer, entry: EntryReader, selected: boolean): Subdirectory {
    const subdirectory = subdirectoryOf(parent, path, entry, selected);
    if (selected) {
      this.#make(parent);
      this.#takeName(parent, entry.name);
      this.#make(subdirectory.directory);
      this.#noteSetId(path, entry);
    }
    return subdirectory;
  }

  /** Makes a directory and its parents, unless they exist. @returns whether it is new and therefore empty */
  #make(directory: Directory): boolean {
    if (directory.fresh !== undefined) return directory.fresh;
    const inFresh = directory.parent !== undefined && this.#make(directory.parent);
    directory.fresh =
      this.#target === undefined || (inFresh && this.#options.dryRun === true)
        ? true
        : this.#target.makeDirectory(directory.path, this.#options.overwrite !== 'never', directory.selected);
    // An existing directory that is not selected, only what is below it, keeps its metadata.
    if (directory.fresh || directory.selected) this.#finishLater(directory);
    this.#lookForLeftovers(directory);
    return directory.fresh;
  }

  /** A dry run only counts directories, to save memory. */
  #finishLater(directory: Directory): void {
    const { progress } = this.#reporter;
    progress.totalDirs++;
    if (this.#options.dryRun === true) progress.dirsRestored++;
    else this.#directories.push(directory);
  }

  /** Records a restored name. @throws VarveError `target` when the file system ignores case and the name was restored already */
  #takeName(directory: Directory, name: Buffer): void {
    if (this.#target === undefined || this.#options.dryRun === true) return;
    directory.taken ??= this.#target.ignoresCase(directory.path) ? new Set() : 'exact';
    if (directory.taken === 'exact') return;
    const key = foldCase(name);
    if (directory.taken.has(key)) throw caseCollision();
    directory.taken.add(key);
  }

  #lookForLeftovers(directory: Directory): void {
    if (directory.fresh !== false || this.#target === undefined) return;
    try {
      directory.leftovers = new Leftovers(this.#target.names(directory.path));
    } catch {
      // A directory that cannot be listed counts as one without leftovers.
    }
  }

  /** Removes temporary files of ended runs that this run does not continue. */
  #removeLeftovers({ path, leftovers, lookalikes }: Directory): void {
    if (this.#options.dryRun === true) return;
    for (const name of leftovers?.rest ?? [])
      if (!lookalikes.has(name.toString('latin1'))) this.#target?.removeLeftover(below({ path }, name));
  }

  async #file(directory: Directory, path: Buffer, entry: EntryReader): Promise<void> {
    const { type } = entry;
    if (this.#options.noSpecial === true && SPECIAL_TYPES.includes(type)) return this.#reporter.omitted(path);
    this.#reporter.progress.totalFiles++;
    const fresh = this.#make(directory);
    this.#takeName(directory, entry.name);
    const existing = fresh ? undefined : this.#target?.stat(path);
    if (existing !== undefined && !shouldWrite(existing, entry, this.#options.overwrite ?? 'always'))
      return this.#leave(path, entry, existing);
    if (existing?.type === 'directory') this.#removeDirectoryInTheWay(path);
    if (entry.links > 1) {
      const first = this.#links.firstOf(path, entry);
      if (first !== undefined) return this.#addLink(path, first, entry);
      if (existing !== undefined) this.#reporter.keepsFirstName(path);
    }
    this.#noteSetId(path, entry);
    await this.#plan(directory, path, entry, existing?.type === type);
  }

  async #plan(directory: Directory, path: Buffer, entry: EntryReader, existing: boolean): Promise<void> {
    const raw = Buffer.from(entry.raw);
    const { size, content } = entry;
    const xattrs = isReference(entry.xattrs) ? await this.#attributes(path, entry.xattrs) : undefined;
    if (entry.type !== 'file' || content === undefined)
      return this.#window.addPlain({ path, raw, temporary: undefined, xattrs }, 0, existing);
    this.#reporter.progress.totalBytes += content.size;
    const part = directory.leftovers?.take(entry.name);
    const isNew = !existing && part === undefined;
    if (isNew && content.size === 0 && content.ids.length === 0)
      return this.#window.addPlain({ path, raw, temporary: undefined, xattrs }, size);
    const holes = isReference(entry.holes) ? await this.#trees.attachment(entry.holes) : undefined;
    const layout = layoutOf(entry, holes);
    const ids = await this.#trees.ids(content);
    await this.#trees.settleLengths(ids);
    this.#window.addFile({ path, raw, size, stored: content.size, ids, layout, xattrs, holes, existing, part });
  }

  /** Reads attributes that are too long for their entry. When that fails it is reported, and undefined is returned. */
  async #attributes(path: Buffer, reference: ContentRef): Promise<Buffer | undefined> {
    try {
      return await this.#trees.attachment(reference);
    } catch (cause) {
      const error = VarveError.from(cause);
      if (endsAll(error)) throw cause;
      this.#reporter.report({ path, message: `its attributes cannot be read: ${error.message}`, kind: 'metadata' });
      return undefined;
    }
  }

  #noteSetId(path: Buffer, { type, mode }: EntryReader): void {
    if (this.#options.noSpecial === true && type !== 'symlink' && (mode & SET_ID_BITS) !== 0)
      this.#reporter.omitted(path);
  }

  /** Leaves an existing file. If it has several names in the snapshot and is not linked to the first, it becomes a link to that. */
  #leave(path: Buffer, entry: EntryReader, existing: FileStat): void {
    if (entry.links > 1 && this.#options.overwrite === 'if-changed') {
      const first = this.#links.firstOf(path, entry);
      const other = first && this.#target?.stat(first);
      const same = other?.inode === existing.inode && other.device === existing.device;
      if (first !== undefined && !same) return this.#addLink(path, first, entry);
      this.#reporter.keepsFirstName(path);
    }
    const stored = entry.content?.size ?? 0;
    this.#reporter.progress.totalBytes += stored;
    this.#reporter.bytesSkipped(stored);
    this.#reporter.kept(path, entry.size, false);
  }

  #addLink(path: Buffer, to: Buffer, entry: EntryReader): void {
    this.#links.add({ path, to, size: entry.type === 'file' ? entry.size : 0 });
  }

  /** Removes a directory that has the name of a file to restore. @throws VarveError `target` without --delete */
  #removeDirectoryInTheWay(path: Buffer): void {
    if (this.#options.delete !== true) {
      throw new VarveError('target', 'a directory has this name; use --delete to remove it');
    }
    this.#reporter.progress.filesDeleted += this.#target?.remove(path) ?? 0;
  }

  #deleteOthers(directory: Directory, names: ReadonlySet<string>): void {
    if (this.#target === undefined || directory.fresh !== false) return;
    try {
      for (const name of this.#target.names(directory.path)) {
        if (names.has(name.toString('latin1'))) continue;
        if (directory.taken instanceof Set && directory.taken.has(foldCase(name))) continue;
        this.#deleteOther(this.#target, below(directory, name), name);
      }
    } catch (cause) {
      this.#reporter.fail(directory.path, cause);
    }
  }

  #deleteOther(target: Target, path: Buffer, name: Buffer): void {
    try {
      // It belongs to a running restore, unless it is a directory: restores make no directories with such names.
      if (isTemporary(name) && target.stat(path)?.type !== 'directory') return;
      if (!this.#selection.choose(inSnapshot(path)).selected) return;
      this.#reporter.progress.filesDeleted += target.remove(path);
      this.#reporter.item('deleted', path, 0);
    } catch (cause) {
      this.#reporter.fail(path, cause);
    }
  }

  /** Sets the metadata of directories last, from the deepest up, because writing into a directory changes its times. */
  async #finishDirectories(): Promise<void> {
    if (this.#pool === undefined || this.#options.dryRun === true) return;
    const directories = this.#directories.reverse();
    for (let at = 0; at < directories.length; at += DIRECTORIES_PER_TASK) {
      this.#stopIfAborted();
      const targets: FileTarget[] = [];
      for (const { path, raw, xattrs } of directories.slice(at, at + DIRECTORIES_PER_TASK)) {
        const attached = xattrs && (await this.#attributes(path, xattrs));
        targets.push({ path, raw: raw as Buffer, temporary: undefined, xattrs: attached });
      }
      const { errors, failed } = await this.#pool.runOn(0, { kind: 'directories', directories: targets });
      this.#reporter.errors(errors);
      this.#reporter.progress.dirsRestored += targets.length - failed.length;
    }
  }

  #stopIfAborted(): void {
    if (this.#options.signal?.aborted === true) throw new VarveError('interrupted', INTERRUPTED);
  }
}
