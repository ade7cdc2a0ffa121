import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync } from 'node:fs';
import { compareBytes } from '../bytes/views.js';
import { errnoCode } from '../errors/errors.js';
import { Directory, joinPath } from '../filesystem/directory.js';
import type { BackupFilter } from '../filesystem/filter.js';
import { type FileStat, fstat, lstat } from '../filesystem/stat.js';
import type { EntryReader } from '../format/entry.js';
import type { EntryStorer, TakenEntry } from './entry-storer.js';
import type { OpenedDirectory, PendingDirectory, PendingFile, WorkerInit } from './messages.js';
import { SharedFlag } from './messages.js';
import { PreviousDirectory } from './previous.js';
import type { Storer } from './storer.js';

/** Bytes: a larger file is cut into segments of this size, which workers share. */
export const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Milliseconds that a task runs before it may be split. */
const MIN_TASK_MS = 15;
/** Files that are handed over together when a task is split. */
const FILES_PER_TASK = 256;

/** A child of the directory being walked: its entry's encoding, as soon as that is known. */
interface Child {
  readonly name: Buffer;
  raw: Buffer | undefined;
  /** Taken over from the parent snapshot as it is. */
  same: boolean;
}

type Subdirectory = {
  readonly pending: PendingDirectory & { path: Buffer; name: Buffer };
  readonly child: Child;
  readonly stat: FileStat;
};

/** An open directory with the names in it. */
interface Listed {
  readonly folder: Directory;
  readonly names: readonly Buffer[];
}

/** What remains to be done of a directory's children. */
interface Found {
  readonly subdirectories: Subdirectory[];
  readonly toRead: { readonly file: PendingFile; readonly child: Child }[];
}

interface OpenWalk {
  readonly local: number;
  readonly children: Child[];
  readonly directories: PendingDirectory[];
  readonly files: PendingFile[][];
  readonly large: PendingFile[];
  /** The directory in the parent snapshot, when that has just the names that are here now. */
  previous: EntryReader | undefined;
}

/**
 * Walks a folder with everything below it, in one worker. What it can finish it finishes: reads, cuts, stores, encodes. When other workers
 * have nothing to do it leaves the rest of its work to them: then the folders that are not complete are handed back "opened".
 */
export class Walker {
  readonly #init: WorkerInit;
  readonly #storer: Storer;
  readonly #filter: BackupFilter;
  readonly #entries: EntryStorer;
  #opened: OpenedDirectory[] = [];
  #nextLocal = 0;
  #started = 0;

  constructor(init: WorkerInit, storer: Storer, filter: BackupFilter, entries: EntryStorer) {
    this.#init = init;
    this.#storer = storer;
    this.#filter = filter;
    this.#entries = entries;
  }

  /** Walks one directory: its entry when all below it is done, or what has to be done for it still. */
  walk(directory: PendingDirectory): { raw: Buffer | undefined } | { opened: OpenedDirectory[] } {
    this.#started = performance.now();
    this.#opened = [];
    this.#nextLocal = 0;
    const path = Buffer.from(directory.path);
    let stat: FileStat;
    try {
      stat = lstat(path);
    } catch (cause) {
      this.#reportGone(path, cause);
      return { raw: undefined };
    }
    const raw = this.#directory({ ...directory, path, name: Buffer.from(directory.name) }, stat, -1);
    return raw === OPEN ? { opened: this.#opened } : { raw };
  }

  /** Stores files that another task left; entries of those that could be read. */
  files(files: readonly PendingFile[]): { name: Uint8Array; raw: Buffer }[] {
    const entries: { name: Uint8Array; raw: Buffer }[] = [];
    for (const file of files) {
      this.#storer.stopIfCancelled();
      const raw = this.#entries.storeFile(file);
      if (raw !== undefined) entries.push({ name: file.name, raw });
    }
    return entries;
  }

  #directory(
    directory: PendingDirectory & { path: Buffer; name: Buffer },
    stat: FileStat,
    parent: number,
  ): Buffer | typeof OPEN {
    const { path, name, previous } = directory;
    const open: OpenWalk = {
      local: this.#nextLocal++,
      children: [],
      directories: [],
      files: [],
      large: [],
      previous: undefined,
    };
    const subdirectories = this.#scan(directory, stat, open);
    for (const [at, subdirectory] of subdirectories.entries()) {
      if (this.#shouldSplit()) {
        open.directories.push(...subdirectories.slice(at).map(({ pending }) => detach(pending)));
        break;
      }
      const { pending, child, stat: childStat } = subdirectory;
      const raw = this.#directory(pending, childStat, open.local);
      if (raw === OPEN) this.#isOpen.add(open.local);
      else {
        child.raw = raw;
        child.same = raw === pending.previous;
      }
    }
    if (
      open.previous?.content !== undefined &&
      this.#entries.isStored(open.previous.content, path) &&
      open.children.every(isSame)
    ) {
      return this.#entries.unchangedDirectory(directory, stat, open.previous);
    }
    if (this.#isComplete(open))
      return this.#entries.finishDirectory({ name, path, stat, previous }, encodings(open.children));
    this.#opened.push({
      local: open.local,
      parent,
      path,
      name,
      stat,
      previous: previous && new Uint8Array(previous),
      entries: Buffer.concat([...encodings(open.children)]),
      directories: open.directories,
      files: open.files,
      large: open.large,
    });
    return OPEN;
  }

  /** Local numbers of directories that have an open directory in them. */
  readonly #isOpen = new Set<number>();

  #isComplete(open: OpenWalk): boolean {
    const openBelow = this.#isOpen.delete(open.local);
    return !openBelow && open.directories.length + open.files.length + open.large.length === 0;
  }

  /** The names in a directory that may belong to the backup. */
  #open({ path, only, rootDevice }: PendingDirectory & { path: Buffer }, stat: FileStat): Listed {
    const listed = (names: Buffer[]): Listed => ({ folder: Directory.unopened(path), names });
    if (only !== undefined) {
      const names = Object.keys(only).map((name) => Buffer.from(name, 'latin1'));
      return listed(names.sort(compareBytes));
    }
    const rule = this.#filter.rejectDirectoryContents(path, stat.device, rootDevice);
    if (rule !== undefined) return listed(rule.kept === undefined ? [] : [rule.kept]);
    try {
      const folder = Directory.open(path);
      try {
        return { folder, names: folder.names() };
      } catch (cause) {
        folder.close();
        throw cause;
      }
    } catch (cause) {
      this.#entries.reportError(path, cause, 'scan');
      return listed([]);
    }
  }

  /** Goes over a directory's names: everything but subdirectories is dealt with, or noted in `open` as work to be shared. */
  #scan(directory: PendingDirectory & { path: Buffer }, stat: FileStat, open: OpenWalk): Subdirectory[] {
    const { folder, names } = this.#open(directory, stat);
    const previous = this.#previous(directory);
    const found: Found = { subdirectories: [], toRead: [] };
    try {
      for (const name of names) {
        this.#storer.stopIfCancelled();
        this.#child(directory, folder, name, previous, open, found);
      }
    } finally {
      folder.close();
    }
    if (previous.allFound()) open.previous = previous.entry;
    this.#read(found.toRead, open);
    return found.subdirectories;
  }

  #child(
    directory: PendingDirectory,
    folder: Directory,
    name: Buffer,
    previous: PreviousDirectory,
    open: OpenWalk,
    found: Found,
  ): void {
    const only = directory.only?.[name.toString('latin1')];
    const above = typeof only === 'object';
    const stat = above ? this.#statAbove(joinPath(folder.path, name)) : this.#select(folder, name, directory);
    if (stat === undefined) return;
    const before = previous.find(name);
    const child: Child = { name, raw: undefined, same: false };
    open.children.push(child);
    if (stat.type === 'file') {
      if (before !== undefined && this.#entries.isUnchanged(folder.path, name, stat, before))
        take(child, this.#entries.unchanged(folder.path, name, stat, before));
      else {
        const path = joinPath(folder.path, name);
        found.toRead.push({ file: { path, name, stat, changed: before !== undefined }, child });
      }
    } else if (stat.type === 'directory') {
      const path = joinPath(folder.path, name);
      const raw = before?.type === 'directory' ? before.raw : undefined;
      const rootDevice = directory.only === undefined ? directory.rootDevice : stat.device;
      const pending = { path, name, previous: raw, rootDevice, only: above ? only : undefined };
      found.subdirectories.push({ pending, child, stat });
    } else take(child, this.#entries.special(folder, name, stat, before));
  }

  #previous(directory: PendingDirectory & { path: Buffer }): PreviousDirectory {
    return new PreviousDirectory(directory.previous, this.#storer.previous, 'parent snapshot', (cause) =>
      this.#entries.reportUnknown(directory.path, cause),
    );
  }

  #read(toRead: { file: PendingFile; child: Child }[], open: OpenWalk): void {
    byExtension(toRead);
    for (const [at, { file, child }] of toRead.entries()) {
      if (file.stat.size > SEGMENT_BYTES) open.large.push(file);
      else if (this.#shouldSplit()) {
        const rest = toRead.slice(at).map((each) => each.file);
        open.large.push(...rest.filter((each) => each.stat.size > SEGMENT_BYTES));
        const small = rest.filter((each) => each.stat.size <= SEGMENT_BYTES);
        for (let i = 0; i < small.length; i += FILES_PER_TASK) open.files.push(small.slice(i, i + FILES_PER_TASK));
        return;
      } else {
        child.raw = this.#entries.storeFile(file);
      }
    }
  }

  /** The file's stat, unless the filter leaves it out or it cannot be had. */
  #select(folder: Directory, name: Buffer, { only, rootDevice }: PendingDirectory): FileStat | undefined {
    if (this.#filter.filtersPaths) {
      const path = joinPath(folder.path, name);
      if (this.#excluded(path, this.#filter.rejectPath(path))) return undefined;
    }
    const stat = this.#lstat(folder, name);
    if (stat === undefined) return undefined;
    const device = only === undefined ? rootDevice : stat.device;
    const rule = this.#filter.rejectNode(stat.type, stat.size, stat.device, device);
    return rule !== undefined && this.#excluded(joinPath(folder.path, name), rule) ? undefined : stat;
  }

  /** A directory on the way to a source: a link there is followed, as the path to the source does. */
  #statAbove(path: Buffer): FileStat | undefined {
    try {
      const directory = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        return fstat(directory);
      } finally {
        closeSync(directory);
      }
    } catch (cause) {
      this.#entries.reportError(path, cause, 'scan');
      return undefined;
    }
  }

  #lstat(folder: Directory, name: Buffer): FileStat | undefined {
    try {
      return folder.lstat(name);
    } catch (cause) {
      this.#reportGone(joinPath(folder.path, name), cause);
      return undefined;
    }
  }

  #reportGone(path: Buffer, cause: unknown): void {
    this.#entries.reportError(path, cause, errnoCode(cause) === 'ENOENT' ? 'archival' : 'scan');
  }

  #excluded(path: Buffer, rule: string | undefined): boolean {
    if (rule === undefined) return false;
    if (this.#init.verbose) this.#entries.tell(path, false, 'excluded', 0, { rule });
    return true;
  }

  /** True when another worker could use a part of this task. */
  #shouldSplit(): boolean {
    const { flags } = this.#init;
    const waiting = Atomics.load(flags, SharedFlag.waitingTasks);
    return waiting < Atomics.load(flags, SharedFlag.threads) && performance.now() - this.#started > MIN_TASK_MS;
  }
}

const OPEN = Symbol('open');

/** With a copy of its own of what is a view of a whole frame, which would cross to another thread with it. */
function detach(pending: PendingDirectory): PendingDirectory {
  return pending.previous === undefined ? pending : { ...pending, previous: new Uint8Array(pending.previous) };
}

function take(child: Child, entry: TakenEntry | undefined): void {
  child.raw = entry?.raw;
  child.same = entry?.same ?? false;
}

const isSame = (child: Child): boolean => child.same;

function* encodings(children: readonly Child[]): Generator<Buffer> {
  for (const { raw } of children) if (raw !== undefined) yield raw;
}

/** Like beside like compresses better: files of one extension next to each other, in order of name. */
function byExtension(files: { file: PendingFile }[]): void {
  if (files.length < 3) return;
  const keys = new Map(files.map(({ file }) => [file, extension(file.name)]));
  files.sort((a, b) => {
    const x = keys.get(a.file) as string;
    const y = keys.get(b.file) as string;
    return x < y ? -1 : x > y ? 1 : 0;
  });
}

function extension(name: Uint8Array): string {
  const dot = name.lastIndexOf(0x2e);
  return dot <= 0 ? '' : Buffer.from(name.buffer, name.byteOffset + dot, name.length - dot).toString('latin1');
}
