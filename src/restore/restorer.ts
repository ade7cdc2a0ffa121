import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { asBuffer } from '../bytes/views.js';
import { importKeys } from '../crypto/hierarchy.js';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { OwnerNames } from '../filesystem/owners.js';
import { linkat, mknodat, openat, renameat, symlinkat, unlinkat } from '../filesystem/posix.js';
import { makeDevice } from '../filesystem/stat.js';
import { DATA } from '../format/content.js';
import { EntryReader } from '../format/entry.js';
import { ID_BYTES } from '../format/limits.js';
import { BlobIndex } from '../repository/blob-index.js';
import { FrameOpener, PackKeyRing } from '../repository/blob-reader.js';
import type { Served } from '../workers/serve.js';
import { FolderHandles, splitPath } from './folder-handles.js';
import type { BlobUse, FileTarget, ItemError, Reply, Task, WorkerInit } from './messages.js';
import { MetadataSetter } from './metadata.js';

const { O_WRONLY, O_RDONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const PRIVATE = 0o600;
const S_IFMT_OF: Partial<Record<string, number>> = {
  fifo: 0o010000,
  character: 0o020000,
  block: 0o060000,
  socket: 0o140000,
};

/** A file that a task writes, under a temporary name at first. */
class GrowingFile {
  readonly target: FileTarget;
  temporary: Buffer = Buffer.alloc(0);
  handle: number | undefined;
  /** Blobs of this task that it still waits for. */
  remaining = 0;

  constructor(target: FileTarget) {
    this.target = target;
  }
}

/** Blobs that lie side by side in a frame and in a file. */
interface Run {
  readonly count: number;
  /** Within the frame's plaintext. */
  readonly start: number;
  readonly end: number;
  readonly fileOffset: number;
}

/** What a restore worker does: opens frames and writes files, links, metadata. */
export class Restorer {
  readonly #folders: FolderHandles;
  readonly #index: BlobIndex;
  readonly #opener: FrameOpener;
  readonly #metadata: MetadataSetter;
  readonly #flags: Int32Array;
  readonly #temporary = `.varve-${randomBytes(6).toString('hex')}-`;
  #nextTemporary = 0;
  #raw = Buffer.alloc(0);
  #errors: ItemError[] = [];

  constructor(init: WorkerInit) {
    const keys = importKeys(init.keys);
    this.#folders = new FolderHandles(init.target);
    this.#index = new BlobIndex(init.index);
    this.#opener = new FrameOpener(this.#index, keys, new PackKeyRing(keys));
    this.#metadata = new MetadataSetter(init.owners, new OwnerNames());
    this.#flags = init.flags;
  }

  perform(task: Task): Served<Reply> {
    if (Atomics.load(this.#flags, 0) !== 0) throw new VarveError('interrupted', 'interrupted');
    this.#errors = [];
    const failed = this.#perform(task);
    return { reply: { errors: this.#errors, failed } };
  }

  #perform(task: Task): number[] {
    switch (task.kind) {
      case 'write':
        return this.#writeTask(task);
      case 'finish':
        return this.#each(task.files, (file) => this.#finish(file));
      case 'discard':
        for (const file of task.files) this.#discard(Buffer.from(file));
        return [];
      case 'plain':
        return this.#each(task.files, (file) => this.#plain(file));
      case 'link':
        return this.#each(task.links, ({ path, to }) => this.#link(Buffer.from(path), Buffer.from(to)));
      case 'folders':
        return this.#each(task.folders, (folder) => this.#folder(folder));
      case 'verify':
        return this.#each([task.file], (file) => this.#verify(file, task.lengths, asBuffer(task.ids)));
    }
  }

  /** Does something to each; numbers of those it failed for. */
  #each<Item extends { readonly path: Uint8Array }>(items: readonly Item[], action: (item: Item) => void): number[] {
    const failed: number[] = [];
    for (const [number, item] of items.entries()) {
      try {
        action(item);
      } catch (cause) {
        this.#fail(item.path, cause);
        failed.push(number);
      }
    }
    return failed;
  }

  #writeTask(task: Extract<Task, { kind: 'write' }>): number[] {
    const failed = new Set<number>();
    const files = task.files.map((target) => new GrowingFile(target));
    for (const { uses } of task.frames) for (const { file } of uses) (files[file] as GrowingFile).remaining++;
    for (const { frame, uses } of task.frames) {
      const wanted = uses.filter(({ file }) => !failed.has(file));
      if (wanted.length > 0) this.#writeFrame(task, frame, wanted, files, failed);
    }
    return [...failed];
  }

  #writeFrame(
    task: Extract<Task, { kind: 'write' }>,
    frame: number,
    uses: readonly BlobUse[],
    files: readonly GrowingFile[],
    failed: Set<number>,
  ): void {
    const fail = (file: number, cause: unknown): void => {
      if (failed.has(file)) return;
      failed.add(file);
      this.#abandon(files[file] as GrowingFile);
      this.#fail((files[file] as GrowingFile).target.path, cause);
    };
    let raw: Buffer;
    const located = this.#index.frame(frame);
    try {
      const at = located.offset - task.start;
      raw = this.#opener.open(
        located,
        asBuffer(task.bytes.subarray(at, at + located.storedLength)),
        this.#scratch(located.rawLength),
      );
    } catch (cause) {
      for (const { file } of uses) fail(file, cause);
      return;
    }
    for (let next = 0; next < uses.length; ) {
      const { file } = uses[next] as BlobUse;
      const run = this.#run(uses, next);
      next += run.count;
      if (failed.has(file)) continue;
      try {
        for (const use of uses.slice(next - run.count, next)) this.#check(use, raw, located.pack);
        this.#write(files[file] as GrowingFile, run, raw.subarray(run.start, run.end));
      } catch (cause) {
        fail(file, cause);
      }
    }
  }

  /** Uses from `first` on that follow each other in the frame and in one file: they are written in one go. */
  #run(uses: readonly BlobUse[], first: number): Run {
    const { file, fileOffset, blob } = uses[first] as BlobUse;
    const { offset, length } = this.#index.locate(blob);
    const run = { count: 1, start: offset, end: offset + length, fileOffset };
    for (let at = first + 1; at < uses.length; at++) {
      const use = uses[at] as BlobUse;
      const next = this.#index.locate(use.blob);
      if (use.file !== file || next.offset !== run.end || use.fileOffset !== fileOffset + (run.end - run.start)) break;
      run.end += next.length;
      run.count++;
    }
    return run;
  }

  /** Where a frame is opened: the same memory for each, as its blobs are written before the next. */
  #scratch(length: number): Buffer {
    if (this.#raw.length < length) this.#raw = Buffer.allocUnsafeSlow(length);
    return this.#raw.subarray(0, length);
  }

  /** @throws VarveError `damaged` unless the frame holds the blob that is asked for */
  #check(use: BlobUse, raw: Buffer, pack: number): void {
    const { offset, length } = this.#index.locate(use.blob);
    this.#opener.verify(asBuffer(use.id), DATA, raw.subarray(offset, offset + length), pack);
  }

  /** Writes blobs to their file; a file that no other task writes to gets its metadata and name with its last blob. */
  #write(file: GrowingFile, run: Pick<Run, 'count' | 'fileOffset'>, bytes: Buffer): void {
    file.handle ??= this.#create(file);
    writeAll(file.handle, bytes, run.fileOffset);
    file.remaining -= run.count;
    if (file.remaining === 0) this.#complete(file, file.handle);
  }

  #complete(file: GrowingFile, handle: number): void {
    const { target } = file;
    file.handle = undefined;
    try {
      if (target.temporary === undefined)
        this.#metadata.onFile(handle, entryOf(target), (what) => this.#warn(target.path, what));
    } finally {
      closeSync(handle);
    }
    if (target.temporary !== undefined) return;
    const { folder, name } = splitPath(asBuffer(target.path));
    const directory = this.#folders.folder(folder);
    renameat(directory, file.temporary, directory, name);
  }

  #create(file: GrowingFile): number {
    const { path, temporary } = file.target;
    const { folder } = splitPath(Buffer.from(path));
    // A name that several tasks share may be there already; one of our own must not be.
    const exclusive = temporary === undefined ? O_EXCL : 0;
    file.temporary = temporary === undefined ? this.#temporaryName() : Buffer.from(temporary);
    return openat(this.#folders.folder(folder), file.temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | exclusive, PRIVATE);
  }

  #abandon(file: GrowingFile): void {
    const { handle, target } = file;
    if (handle !== undefined) tryTo(() => closeSync(handle));
    file.handle = undefined;
    if (target.temporary !== undefined || file.temporary.length === 0) return;
    const { folder } = splitPath(Buffer.from(target.path));
    tryTo(() => unlinkat(this.#folders.folder(folder), file.temporary));
  }

  #temporaryName(): Buffer {
    return Buffer.from(`${this.#temporary}${this.#nextTemporary++}`);
  }

  /** Gives a file that grew under a temporary name its size, metadata and name. */
  #finish(file: FileTarget): void {
    const { folder, name } = splitPath(asBuffer(file.path));
    const directory = this.#folders.folder(folder);
    const temporary = Buffer.from(file.temporary as Uint8Array);
    const entry = entryOf(file);
    const handle = openat(directory, temporary, O_WRONLY | O_NOFOLLOW, 0);
    try {
      if (fstatSync(handle).size !== entry.size) ftruncateSync(handle, entry.size);
      this.#metadata.onFile(handle, entry, (what) => this.#warn(file.path, what));
    } finally {
      closeSync(handle);
    }
    renameat(directory, temporary, directory, name);
  }

  #discard(path: Buffer): void {
    const { folder, name } = splitPath(path);
    tryTo(() => unlinkat(this.#folders.folder(folder), name));
  }

  /** Empty files, links, FIFOs and devices: what has no blobs. */
  #plain(file: FileTarget): void {
    const entry = entryOf(file);
    if (entry.type === 'file') return this.#empty(file);
    const { folder, name } = splitPath(asBuffer(file.path));
    const directory = this.#folders.folder(folder);
    const temporary = this.#temporaryName();
    make(entry, directory, temporary);
    this.#metadata.onName(directory, temporary, entry, (what) => this.#warn(file.path, what));
    this.#moveInto(directory, temporary, name);
  }

  #empty(target: FileTarget): void {
    const file = new GrowingFile(target);
    file.remaining = 1;
    try {
      this.#write(file, { count: 1, fileOffset: 0 }, Buffer.alloc(0));
    } catch (cause) {
      this.#abandon(file);
      throw cause;
    }
  }

  #link(path: Buffer, to: Buffer): void {
    const from = splitPath(to);
    const { folder, name } = splitPath(path);
    const source = openat(this.#folders.folder(from.folder), DOT, O_RDONLY | constants.O_DIRECTORY);
    try {
      const directory = this.#folders.folder(folder);
      const temporary = this.#temporaryName();
      linkat(source, from.name, directory, temporary);
      this.#moveInto(directory, temporary, name);
      // Renaming one name of a file over another name of the same file does nothing.
      tryTo(() => unlinkat(directory, temporary));
    } finally {
      closeSync(source);
    }
  }

  #moveInto(directory: number, temporary: Buffer, name: Buffer): void {
    try {
      renameat(directory, temporary, directory, name);
    } catch (cause) {
      tryTo(() => unlinkat(directory, temporary));
      throw cause;
    }
  }

  /** Sets a folder's metadata, after all that is in it is written. */
  #folder(file: FileTarget): void {
    const { folder, name } = splitPath(asBuffer(file.path));
    const entry = entryOf(file);
    this.#metadata.onName(this.#folders.folder(folder), name, entry, (what) => this.#warn(file.path, what));
  }

  /** Reads a restored file back and compares it with the snapshot. */
  #verify(file: FileTarget, lengths: readonly number[], ids: Buffer): void {
    const { folder, name } = splitPath(asBuffer(file.path));
    const handle = openat(this.#folders.folder(folder), name, O_RDONLY | O_NOFOLLOW);
    try {
      let offset = 0;
      for (const [number, length] of lengths.entries()) {
        const bytes = Buffer.allocUnsafe(length);
        if (readSync(handle, bytes, 0, length, offset) !== length)
          throw new VarveError('target', 'is shorter than it should be');
        const id = ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES);
        if (!this.#opener.matches(id, DATA, bytes))
          throw new VarveError('target', `differs from the snapshot near byte ${offset}`);
        offset += length;
      }
      if (fstatSync(handle).size !== offset) throw new VarveError('target', 'is longer than it should be');
    } finally {
      closeSync(handle);
    }
  }

  #fail(path: Uint8Array, cause: unknown): void {
    if (errnoCode(cause) === 'ENOSPC')
      throw new VarveError('full', `the target is full: ${Buffer.from(path)}; free some space and run it again`);
    const message = cause instanceof VarveError ? cause.message : systemReason(cause);
    this.#errors.push({ path: new Uint8Array(path), message, warning: false });
  }

  #warn(path: Uint8Array, message: string): void {
    this.#errors.push({ path: new Uint8Array(path), message, warning: true });
  }
}

const DOT = Buffer.from('.');

function entryOf(file: FileTarget): EntryReader {
  const reader = new EntryReader(asBuffer(file.raw), 'entry');
  if (!reader.next()) throw new VarveError('internal', 'an entry is cut off');
  return reader;
}

function make(entry: EntryReader, directory: number, name: Buffer): void {
  if (entry.type === 'symlink') return symlinkat(Buffer.from(entry.target as Buffer), directory, name);
  const format = S_IFMT_OF[entry.type];
  if (format === undefined) throw new VarveError('internal', `cannot make a ${entry.type}`);
  const device = entry.rdev === undefined ? 0 : makeDevice(entry.rdev[0], entry.rdev[1]);
  mknodat(directory, name, format | PRIVATE, device);
}

function writeAll(handle: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done, bytes.length - done, offset + done);
}

function tryTo(action: () => void): void {
  try {
    action();
  } catch {
    // It was a tidying up after a failure that is reported already.
  }
}
