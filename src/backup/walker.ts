// Walks directories in one worker, and hands parts of the work to others when they are idle.
// The Lister decides what belongs to the backup, the EntryStorer stores and encodes it, the main thread's TreeAssembly puts split directories together.
import { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import { asBuffer, compareBytes } from '../bytes/views.js';
import { Directory, type DirectoryPlace } from '../filesystem/directory.js';
import type { BackupFilter } from '../filesystem/filter.js';
import type { NameList } from '../filesystem/name-list.js';
import type { EntryReader } from '../format/entry-reader.js';
import { joinPath } from '../format/path.js';
import { EntryRun, type LateRaw } from './entry-run.js';
import type { EntryStorer, StoredEntry } from './entry-storer.js';
import { layoutOf } from './holes.js';
import { type FoundDirectory, Lister, locationOf } from './lister.js';
import type {
  FileBatch,
  LargeFile,
  Note,
  OpenedDirectory,
  PendingDirectory,
  PendingFile,
  ReadAttributes,
  WorkerInit,
} from './messages.js';
import { SharedFlag } from './messages.js';
import { PreviousDirectory, readEntry } from './previous.js';
import type { BackupReporter } from './reporter.js';
import type { Storer } from './storer.js';

/** A file with more bytes than this is divided into segments of this size, which several workers read. */
export const SEGMENT_BYTES = 64 * 1024 * 1024;
/** Milliseconds before a task may be split. */
const MIN_TASK_MS = 15;
/** Milliseconds between two batches: until the main thread has assigned a batch, its worker still looks idle. */
const BATCH_PAUSE_MS = 2;
/** Files handed over together when a task is split. */
const FILES_PER_BATCH = 256;
/** Names examined before their files are read. It bounds the memory, and the range in which files are sorted by extension. */
const NAMES_PER_BLOCK = 4096;

/** A child of the directory being walked; `raw` is its encoded entry, once known. */
interface Child extends LateRaw {
  readonly name: Buffer;
  raw: Buffer | undefined;
  /** Whether the entry is the parent snapshot's, byte for byte. */
  same: boolean;
  /** A directory: it is walked after all other children. */
  readonly later: boolean;
}

interface Subdirectory {
  readonly pending: FoundDirectory;
  readonly child: Child;
}

interface FileToRead {
  readonly file: PendingFile;
  readonly child: Child;
}

/** A directory while it is walked. */
interface Walk {
  readonly local: number;
  readonly directory: Subdirectory['pending'];
  readonly entries: EntryRun;
  readonly subdirectories: Subdirectory[];
  /** For other workers. */
  readonly directories: PendingDirectory[];
  readonly batches: number[];
  readonly large: LargeFile[];
  xattrs: ReadAttributes;
  /** The directory's entry in the parent snapshot, when that directory has exactly the names found now. */
  previous: EntryReader | undefined;
  /** Whether all entries so far are the parent snapshot's. */
  same: boolean;
}

/** What a Walker works with. */
interface WalkerParts {
  readonly storer: Storer;
  readonly filter: BackupFilter;
  readonly entries: EntryStorer;
  readonly reporter: BackupReporter;
}

/**
 * Walks a directory and everything below it in one worker: reads and stores files, encodes entries.
 *
 * When other workers are idle it hands work to them: batches of files at once, subdirectories with the reply at the end of the task.
 * The reply also returns, as "opened", the directories that this leaves incomplete.
 */
export class Walker {
  readonly #init: WorkerInit;
  readonly #storer: Storer;
  readonly #lister: Lister;
  readonly #entries: EntryStorer;
  readonly #reporter: BackupReporter;
  readonly #note: (note: Note) => void;
  #opened: OpenedDirectory[] = [];
  #nextLocal = 0;
  #started = 0;
  #lastBatch = 0;
  /** Local numbers of directories with an incomplete subdirectory. */
  readonly #isOpen = new Set<number>();

  constructor(init: WorkerInit, { storer, filter, entries, reporter }: WalkerParts, note: (note: Note) => void) {
    this.#init = init;
    this.#storer = storer;
    this.#lister = new Lister(filter, reporter, init.nestedSources);
    this.#entries = entries;
    this.#reporter = reporter;
    this.#note = note;
  }

  /** @returns the directory's entry when everything below it is stored, otherwise the directories that remain incomplete */
  walk(directory: PendingDirectory): { raw: Buffer | undefined } | { opened: OpenedDirectory[] } {
    this.#started = performance.now();
    this.#opened = [];
    this.#nextLocal = 0;
    const path = Buffer.from(directory.path);
    const raw = this.#directory({ ...directory, path }, -1);
    return raw === OPEN ? { opened: this.#opened } : { raw };
  }

  /** Stores a batch of another worker. @returns the entries of the files that could be read, in order of name */
  files({ directory: place, files }: FileBatch): EntryRun {
    const entries = new EntryRun();
    let opened: Directory;
    try {
      opened = Directory.openPlace(place);
    } catch (cause) {
      for (const { name } of files) this.#reporter.reportError(pathIn(place, name), cause, 'archival');
      return entries;
    }
    try {
      const stored = files.map((file) => {
        this.#storer.stopIfCancelled();
        return { name: file.name, raw: this.#entries.storeFile(opened, file) };
      });
      stored.sort((a, b) => compareBytes(a.name, b.name));
      for (const { raw } of stored) if (raw !== undefined) entries.add(raw);
      return entries;
    } finally {
      opened.close();
    }
  }

  #directory(directory: Subdirectory['pending'], parent: number): Buffer | typeof OPEN {
    const walk = this.#scan(directory);
    for (const [at, { pending, child }] of walk.subdirectories.entries()) {
      if (this.#shouldSplit()) {
        for (const rest of walk.subdirectories.slice(at)) walk.directories.push(copyViews(rest.pending));
        break;
      }
      const raw = this.#directory(pending, walk.local);
      if (raw === OPEN) this.#isOpen.add(walk.local);
      else {
        child.raw = raw;
        walk.same &&= raw === pending.previous;
      }
    }
    const complete = this.#isComplete(walk);
    const { name, path, previous, stat, root } = directory;
    const walked = { name: asBuffer(name), path, stat, previous, xattrs: walk.xattrs, isRoot: root !== undefined };
    const content = walk.previous?.content;
    if (complete && walk.same && walk.previous && content && this.#entries.changes.isStored(content, () => path))
      return this.#entries.unchangedDirectory(walked, walk.previous);
    if (complete) return this.#entries.finishDirectory(walked, walk.entries.bytes());
    this.#opened.push(openedDirectory(walk, parent));
    return OPEN;
  }

  #isComplete(walk: Walk): boolean {
    const openBelow = this.#isOpen.delete(walk.local);
    return !openBelow && walk.directories.length + walk.batches.length + walk.large.length === 0;
  }

  /** Stores all children of a directory but its subdirectories, or hands them to other workers. */
  #scan(directory: Subdirectory['pending']): Walk {
    const { opened, names, only } = this.#lister.open(directory);
    const walk: Walk = {
      local: this.#nextLocal++,
      directory: only === undefined ? directory : { ...directory, only },
      entries: new EntryRun(),
      subdirectories: [],
      directories: [],
      batches: [],
      large: [],
      xattrs: undefined,
      previous: undefined,
      same: true,
    };
    try {
      const before = directory.previous && readEntry(directory.previous, 'parent snapshot');
      walk.xattrs = this.#entries.directoryXattrs(opened, directory.stat, before);
      const previous = this.#previous(directory);
      this.#children(walk, opened, names, previous);
      if (previous.allFound()) walk.previous = previous.entry;
    } finally {
      opened.close();
    }
    return walk;
  }

  #children(walk: Walk, opened: Directory, names: NameList, previous: PreviousDirectory): void {
    let block: Child[] = [];
    let toRead: FileToRead[] = [];
    const finish = (): void => {
      this.#read(walk, opened, toRead);
      for (const child of block) {
        if (child.later) walk.entries.addLater(child);
        else {
          if (child.raw !== undefined) walk.entries.add(child.raw);
          walk.same &&= child.same;
        }
      }
      block = [];
      toRead = [];
    };
    for (let number = 0; number < names.length; number++) {
      this.#storer.stopIfCancelled();
      const child = this.#child(walk, opened, names.at(number), previous, toRead);
      if (child !== undefined) block.push(child);
      if (block.length >= NAMES_PER_BLOCK) finish();
    }
    finish();
  }

  #child(
    walk: Walk,
    opened: Directory,
    name: Buffer,
    previous: PreviousDirectory,
    toRead: FileToRead[],
  ): Child | undefined {
    const stat = this.#lister.stat(opened, name, walk.directory);
    if (stat === undefined) return undefined;
    const before = previous.find(name);
    const child: Child = { name, raw: undefined, same: false, later: stat.type === 'directory' };
    if (stat.type === 'directory') {
      const found = this.#lister.subdirectory(walk.directory, opened.pathOf(name), name, stat);
      const pending = { ...found, previous: before?.type === 'directory' ? before.raw : undefined };
      walk.subdirectories.push({ pending, child });
    } else if (stat.type !== 'file') setEntry(child, this.#entries.special(opened, name, stat, before));
    else if (before !== undefined && this.#entries.changes.isUnchanged(before, stat, () => opened.pathOf(name)))
      setEntry(child, this.#entries.unchangedFile(opened, name, stat, before));
    else toRead.push({ file: { name, stat, changed: before !== undefined }, child });
    return child;
  }

  #previous(directory: FoundDirectory): PreviousDirectory {
    return new PreviousDirectory(directory.previous, this.#storer.previous, 'parent snapshot', {
      onDamage: (cause) => this.#reporter.reportUnreadableParent(directory.path, cause),
      onBad: (bad) => this.#reporter.reportBadParentEntry(directory.path, bad),
    });
  }

  /** Reads the files of a block, except those handed to other workers. */
  #read(walk: Walk, opened: Directory, toRead: FileToRead[]): void {
    // Other workers open files through the directory's path, which a gathered root does not have.
    const isShared = walk.directory.root?.gathered === undefined;
    const small = toRead.filter(({ file }) => {
      const isLarge = isShared && file.stat.size > SEGMENT_BYTES;
      const large = isLarge ? this.#asLarge(opened, file) : undefined;
      if (large !== undefined) walk.large.push(large);
      return large === undefined;
    });
    sortByExtension(small);
    let end = small.length;
    for (let at = 0; at < end; at++) {
      if (isShared && end - at > 1 && this.#shouldSplit()) {
        const from = Math.max(at + 1, end - FILES_PER_BATCH);
        this.#handOver(walk, small.slice(from, end));
        end = from;
      }
      const { file, child } = small[at] as FileToRead;
      child.raw = this.#entries.storeFile(opened, file);
    }
  }

  /** @returns undefined when the file is mostly holes: then one worker reads it */
  #asLarge(opened: Directory, file: PendingFile): LargeFile | undefined {
    const own = { ...file, name: new Uint8Array(file.name) };
    try {
      const descriptor = opened.openFile(asBuffer(file.name));
      try {
        const layout = layoutOf(descriptor, file.stat);
        if (layout === undefined) return { ...own, layout: undefined, stored: file.stat.size };
        return layout.stored > SEGMENT_BYTES
          ? { ...own, layout: new Uint8Array(layout.encode()), stored: layout.stored }
          : undefined;
      } finally {
        closeSync(descriptor);
      }
    } catch {
      // Reading it will report why it cannot be opened.
      return undefined;
    }
  }

  /** Hands files to other workers at once. */
  #handOver(walk: Walk, readings: readonly FileToRead[]): void {
    const number = Atomics.add(this.#init.flags, SharedFlag.batches, 1);
    const files = readings.map(({ file }) => ({ ...file, name: new Uint8Array(file.name) }));
    const batch: FileBatch = { kind: 'files', directory: locationOf(walk.directory), files };
    this.#lastBatch = performance.now();
    walk.batches.push(number);
    this.#note({ kind: 'batch', number, batch });
  }

  /** Whether another worker is idle and this task has run long enough to be split. */
  #shouldSplit(): boolean {
    const { flags } = this.#init;
    const waiting = Atomics.load(flags, SharedFlag.waitingTasks);
    if (waiting >= Atomics.load(flags, SharedFlag.threads)) return false;
    const now = performance.now();
    return now - this.#started > MIN_TASK_MS && now - this.#lastBatch > BATCH_PAUSE_MS;
  }
}

const OPEN = Symbol('open');
const pathIn = ({ path }: DirectoryPlace, name: Uint8Array): Buffer => joinPath(asBuffer(path), asBuffer(name));

/** Copies views of larger buffers: a message to another thread would clone the whole buffer. */
function copyViews(pending: PendingDirectory): PendingDirectory {
  const { path, name, previous } = pending;
  return {
    ...pending,
    path: new Uint8Array(path),
    name: new Uint8Array(name),
    previous: previous && new Uint8Array(previous),
  };
}

function openedDirectory(walk: Walk, parent: number): OpenedDirectory {
  const { local, directory, xattrs, entries, directories, batches, large } = walk;
  const { path, name, stat, above, previous, root } = copyViews(directory);
  return {
    local,
    parent,
    path,
    name,
    stat,
    above,
    previous,
    isRoot: root !== undefined,
    xattrs,
    entries: entries.pieces(),
    directories,
    batches,
    large,
  };
}

function setEntry(child: Child, entry: StoredEntry | undefined): void {
  child.raw = entry?.raw;
  child.same = entry?.same ?? false;
}

/** Puts files of one extension next to each other, because similar files compress better together. */
function sortByExtension(readings: FileToRead[]): void {
  if (readings.length < 3) return;
  const keys = new Map(readings.map(({ file }) => [file, extension(file.name)]));
  readings.sort((a, b) => {
    const x = keys.get(a.file) as string;
    const y = keys.get(b.file) as string;
    return x < y ? -1 : x > y ? 1 : 0;
  });
}

function extension(name: Uint8Array): string {
  const dot = name.lastIndexOf(0x2e);
  return dot <= 0 ? '' : Buffer.from(name.buffer, name.byteOffset + dot, name.length - dot).toString('latin1');
}
