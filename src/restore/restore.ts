import { Buffer } from 'node:buffer';
import { existsSync } from 'node:fs';
import { exportKeys } from '../crypto/hierarchy.js';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import type { FileStat } from '../filesystem/stat.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry.js';
import { MAX_DEPTH } from '../format/limits.js';
import type { IndexedRepository } from '../repository/index-store.js';
import { TreeReader } from '../repository/tree-reader.js';
import { makeFolders } from '../storage/make-folders.js';
import { defaultThreads, WorkerPool } from '../workers/pool.js';
import { type FileTarget, INTERRUPTED, type ItemError } from './messages.js';
import type { RestoreEvent, RestoreOptions, RestoreProgress } from './options.js';
import { Selection } from './selection.js';
import { shouldWrite, Target } from './target.js';
import { type RestorePool, RestoreWindow } from './window.js';

/** Blobs that are planned before they are restored: it bounds the memory for the plan. */
const WINDOW = 150_000;
const FOLDERS_PER_TASK = 512;
const WORKER = new URL('./worker.js', import.meta.url);
const SLASH = Buffer.from('/');

/**
 * Restores a folder of a snapshot. Nothing outside the target is ever written, and no file stands under its name before it is whole.
 *
 * @throws VarveError `role` for a key that cannot read contents, `target` when the target cannot be written, `full`, `interrupted`;
 * single paths that fail are told as events and counted
 */
export async function restore(repository: IndexedRepository, options: RestoreOptions): Promise<RestoreProgress> {
  repository.keys.requireRole('full', 'restore files');
  if (options.dryRun !== true) makeTarget(options.target);
  const run = new RestoreRun(repository, options);
  try {
    return await run.restore();
  } finally {
    await run.close();
  }
}

function makeTarget(path: string): void {
  try {
    makeFolders(path);
  } catch (cause) {
    throw new VarveError('target', `cannot create the target ${path}: ${systemReason(cause)}`, { cause });
  }
}

function openTarget(path: string, dryRun: boolean): Target {
  try {
    return new Target(path, dryRun);
  } catch (cause) {
    throw new VarveError('target', `cannot restore to ${path}: ${systemReason(cause)}`, { cause });
  }
}

/** A folder of the snapshot as it is walked. */
interface Folder {
  /** Below the target, without a slash in front; empty for the target itself. */
  readonly path: Buffer;
  readonly parent: Folder | undefined;
  /** Its encoded entry; undefined for the target itself. */
  readonly raw: Buffer | undefined;
  readonly depth: number;
  /** Undefined while it has not been made. */
  fresh: boolean | undefined;
}

/** A file's second name, or a further one. */
interface FurtherName {
  readonly path: Buffer;
  /** The first. */
  readonly to: Buffer;
  readonly size: number;
}

class RestoreRun {
  readonly #repository: IndexedRepository;
  readonly #options: RestoreOptions;
  readonly #trees: TreeReader;
  readonly #selection: Selection;
  readonly #target: Target | undefined;
  readonly #pool: RestorePool | undefined;
  readonly #window: RestoreWindow | undefined;
  readonly #flags = new Int32Array(new SharedArrayBuffer(4));
  readonly #progress: RestoreProgress = {
    totalFiles: 0,
    filesRestored: 0,
    filesSkipped: 0,
    filesDeleted: 0,
    totalBytes: 0,
    bytesRestored: 0,
    bytesSkipped: 0,
    errors: 0,
    warnings: 0,
  };
  /** Made folders, parents before what is in them. */
  readonly #folders: FileTarget[] = [];
  /** The first path of each file with several names, by device and inode. */
  readonly #linked = new Map<string, Buffer>();
  readonly #links: FurtherName[] = [];
  /** Paths that failed, as latin1: nothing is linked to what stands there. */
  readonly #failed = new Set<string>();
  readonly #onAbort = (): void => void Atomics.store(this.#flags, 0, 1);

  constructor(repository: IndexedRepository, options: RestoreOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#trees = new TreeReader(repository);
    this.#selection = new Selection(options);
    const dryRun = options.dryRun === true;
    // Into a folder that a dry run does not make, everything would be restored.
    if (!dryRun || existsSync(options.target)) this.#target = openTarget(options.target, dryRun);
    if (!dryRun) {
      this.#pool = this.#startPool();
      this.#window = new RestoreWindow(repository, this.#pool, this, options.verify === true);
    }
    options.signal?.addEventListener('abort', this.#onAbort);
    if (options.signal?.aborted === true) this.#onAbort();
    options.onStart?.(() => this.#progress);
  }

  async restore(): Promise<RestoreProgress> {
    await this.#walk(
      { path: Buffer.alloc(0), parent: undefined, raw: undefined, depth: 0, fresh: this.#target === undefined },
      this.#options.root,
    );
    await this.#window?.run();
    await this.#makeLinks();
    await this.#finishFolders();
    return this.#progress;
  }

  async close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await this.#pool?.close();
    for (const path of this.#window?.leftovers ?? []) this.#target?.discard(path);
    this.#target?.close();
  }

  done(path: Buffer, size: number): void {
    this.#progress.filesRestored++;
    if (this.#options.verbose === true) this.#tell({ kind: 'item', action: 'restored', path: inSnapshot(path), size });
  }

  bytes(count: number): void {
    this.#progress.bytesRestored += count;
  }

  errors(errors: readonly ItemError[]): void {
    for (const { path, message, warning } of errors) this.#report(Buffer.from(path), message, warning);
  }

  #startPool(): RestorePool {
    const { keys, index } = this.#repository;
    const { target, setOwner, numericOwner = false, threads = defaultThreads() } = this.#options;
    const data = {
      keys: exportKeys(keys),
      index: index.shared,
      target,
      owners: { set: setOwner, numeric: numericOwner },
      flags: this.#flags,
    };
    return new WorkerPool(WORKER, threads, () => ({ data, transfer: [] }));
  }

  async #walk(folder: Folder, content: ContentRef): Promise<void> {
    this.#stopIfAborted();
    if (folder.depth > MAX_DEPTH) throw new VarveError('damaged', `${folder.path}: folders are nested too deeply`);
    const subfolders: { folder: Folder; content: ContentRef; selected: boolean }[] = [];
    const names = new Set<string>();
    let whole = false;
    try {
      for await (const entry of this.#trees.entries(content, inSnapshot(folder.path).toString())) {
        if (this.#options.delete === true) names.add(entry.name.toString('latin1'));
        const subfolder = await this.#entry(folder, entry);
        if (subfolder !== undefined) subfolders.push(subfolder);
        if ((this.#window?.size ?? 0) >= WINDOW) await this.#window?.run();
      }
      whole = true;
    } catch (cause) {
      this.#fail(folder.path, cause);
    }
    if (this.#options.delete === true && whole) this.#deleteOthers(folder, names);
    for (const each of subfolders) await this.#walk(each.folder, each.content);
  }

  /** Deals with an entry; a folder that is to be walked is returned. */
  async #entry(
    folder: Folder,
    entry: EntryReader,
  ): Promise<{ folder: Folder; content: ContentRef; selected: boolean } | undefined> {
    const path = folder.path.length === 0 ? Buffer.from(entry.name) : Buffer.concat([folder.path, SLASH, entry.name]);
    const { selected, descend } = this.#selection.choose(inSnapshot(path));
    try {
      if (entry.type === 'directory') {
        if (!selected && !descend) return undefined;
        const { content } = entry.entry();
        const raw = Buffer.from(entry.raw);
        const subfolder: Folder = { path, parent: folder, raw, depth: folder.depth + 1, fresh: undefined };
        if (selected) this.#make(subfolder);
        return { folder: subfolder, content: content as ContentRef, selected };
      }
      if (selected) await this.#file(folder, path, entry);
    } catch (cause) {
      this.#fail(path, cause);
    }
    return undefined;
  }

  /** Makes a folder, and those above it, unless they are made. @returns whether it is new, so that nothing is in it */
  #make(folder: Folder): boolean {
    if (folder.fresh !== undefined) return folder.fresh;
    const inFresh = folder.parent !== undefined && this.#make(folder.parent);
    folder.fresh =
      this.#target === undefined || (inFresh && this.#options.dryRun === true)
        ? true
        : this.#target.makeFolder(folder.path, this.#options.overwrite !== 'never');
    if (folder.raw !== undefined) this.#folders.push({ path: folder.path, raw: folder.raw, temporary: undefined });
    return folder.fresh;
  }

  async #file(folder: Folder, path: Buffer, entry: EntryReader): Promise<void> {
    const { type, size } = entry;
    this.#progress.totalFiles++;
    if (type === 'file') this.#progress.totalBytes += size;
    const fresh = this.#make(folder);
    const existing = fresh ? undefined : this.#target?.stat(path);
    if (existing !== undefined && !shouldWrite(existing, entry, this.#options.overwrite ?? 'always'))
      return this.#leave(path, entry, existing);
    if (existing?.type === 'directory') this.#giveWay(path);
    if (entry.links > 1 && this.#isFurtherLink(path, entry)) return;
    if (this.#window === undefined) return this.#wouldRestore(path, type === 'file' ? size : 0);
    const raw = Buffer.from(entry.raw);
    const { content } = entry.entry();
    if (type !== 'file' || content === undefined || (size === 0 && content.ids.length === 0))
      return this.#window.addPlain(path, raw);
    this.#window.addFile(path, raw, size, await this.#trees.ids(content));
  }

  #wouldRestore(path: Buffer, size: number): void {
    this.bytes(size);
    this.done(path, size);
  }

  /** A file that is as it should be, but for its other names: they are links to it, or it becomes a link to the first of them. */
  #leave(path: Buffer, entry: EntryReader, existing: FileStat): void {
    if (entry.links > 1 && this.#options.overwrite === 'if-changed') {
      const first = this.#linked.get(linkKey(entry));
      const there = first && this.#target?.stat(first);
      const same = there?.inode === existing.inode && there.device === existing.device;
      if (!same && this.#isFurtherLink(path, entry)) return;
    }
    this.#skip(path, entry.size);
  }

  #skip(path: Buffer, size: number): void {
    this.#progress.filesSkipped++;
    this.#progress.bytesSkipped += size;
    if (this.#options.verbose === true) this.#tell({ kind: 'item', action: 'unchanged', path: inSnapshot(path), size });
  }

  /** A folder stands where a file is to be. */
  #giveWay(path: Buffer): void {
    if (this.#options.delete !== true) {
      throw new VarveError('target', 'a folder is in its place; use --delete to have it removed');
    }
    this.#progress.filesDeleted += this.#target?.remove(path) ?? 0;
  }

  #isFurtherLink(path: Buffer, entry: EntryReader): boolean {
    const key = linkKey(entry);
    const first = this.#linked.get(key);
    if (first === undefined) {
      this.#linked.set(key, path);
      return false;
    }
    this.#links.push({ path, to: first, size: entry.type === 'file' ? entry.size : 0 });
    return true;
  }

  #deleteOthers(folder: Folder, names: ReadonlySet<string>): void {
    if (this.#target === undefined || folder.fresh !== false) return;
    try {
      for (const name of this.#target.names(folder.path)) {
        if (names.has(name.toString('latin1'))) continue;
        const path = folder.path.length === 0 ? name : Buffer.concat([folder.path, SLASH, name]);
        if (!this.#selection.choose(inSnapshot(path)).selected) continue;
        this.#progress.filesDeleted += this.#target.remove(path);
        if (this.#options.verbose === true)
          this.#tell({ kind: 'item', action: 'deleted', path: inSnapshot(path), size: 0 });
      }
    } catch (cause) {
      this.#fail(folder.path, cause);
    }
  }

  async #makeLinks(): Promise<void> {
    if (this.#pool === undefined) {
      for (const { path, size } of this.#links) this.#wouldRestore(path, size);
      return;
    }
    for (let at = 0; at < this.#links.length; at += FOLDERS_PER_TASK) {
      const links = this.#links.slice(at, at + FOLDERS_PER_TASK).filter((link) => this.#firstIsThere(link));
      const { errors, failed } = await this.#pool.run({ kind: 'link', links });
      this.errors(errors);
      for (const [number, { path, size }] of links.entries()) {
        if (failed.includes(number)) continue;
        this.bytes(size);
        this.done(path, size);
      }
    }
  }

  #firstIsThere({ path, to }: FurtherName): boolean {
    const there = !this.#failed.has(to.toString('latin1'));
    if (!there) this.#report(path, `is a hard link to ${inSnapshot(to)}, which could not be restored`, false);
    return there;
  }

  /** Times and modes of folders come last, from the deepest up: writing into a folder changes its times. */
  async #finishFolders(): Promise<void> {
    const folders = this.#folders.reverse();
    for (let at = 0; at < folders.length && this.#pool !== undefined; at += FOLDERS_PER_TASK) {
      this.#stopIfAborted();
      const { errors } = await this.#pool.runOn(0, {
        kind: 'folders',
        folders: folders.slice(at, at + FOLDERS_PER_TASK),
      });
      this.errors(errors);
    }
  }

  /** One path failed: the others go on. */
  #fail(path: Buffer, cause: unknown): void {
    if (errnoCode(cause) === 'ENOSPC')
      throw new VarveError('full', `the target is full: ${path}; free some space and run it again`);
    if (
      cause instanceof VarveError &&
      (cause.code === 'interrupted' || cause.code === 'full' || cause.code === 'internal')
    )
      throw cause;
    this.#report(path, cause instanceof VarveError ? cause.message : systemReason(cause), false);
  }

  #report(path: Buffer, message: string, warning: boolean): void {
    if (warning) this.#progress.warnings++;
    else {
      this.#progress.errors++;
      this.#failed.add(path.toString('latin1'));
    }
    this.#tell({ kind: warning ? 'warning' : 'error', path: inSnapshot(path), message });
  }

  #tell(event: RestoreEvent): void {
    this.#options.onEvent?.(event);
  }

  #stopIfAborted(): void {
    if (this.#options.signal?.aborted === true) throw new VarveError('interrupted', INTERRUPTED);
  }
}

const linkKey = (entry: EntryReader): string => `${entry.device}:${entry.inode}`;

/** The path as the snapshot has it, with a slash in front. */
function inSnapshot(path: Buffer): Buffer {
  return Buffer.concat([SLASH, path]);
}
