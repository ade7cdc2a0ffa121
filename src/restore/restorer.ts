import { Buffer } from 'node:buffer';
import { closeSync, constants, fstatSync, ftruncateSync } from 'node:fs';
import { threadId } from 'node:worker_threads';
import { asBuffer } from '../bytes/views.js';
import { importKeys } from '../crypto/hierarchy.js';
import { errnoCode, isInterrupted, systemReason, VarveError } from '../errors/errors.js';
import { OwnerNames } from '../filesystem/owners.js';
import { linkat, openat, readlinkat, renameat, unlinkat } from '../filesystem/posix.js';
import { lstat } from '../filesystem/stat.js';
import type { XattrPlace } from '../filesystem/xattrs.js';
import { DATA } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { Xattr } from '../format/xattrs.js';
import { BlobIndex } from '../repository/index/blob-index.js';
import { FrameOpener, PackKeyRing } from '../repository/reading/blob-reader.js';
import type { Served } from '../workers/serve.js';
import { Comparer } from './comparer.js';
import { copyFile } from './copy-file.js';
import { beside, DirectoryHandles, splitPath } from './directory-handles.js';
import { entryOf, xattrsOf } from './file-content.js';
import { FileSystems } from './file-system.js';
import { GrowingFile, openPart } from './growing-file.js';
import {
  type BlobUse,
  type Comparison,
  type FileTarget,
  HOLES_FILLED,
  INTERRUPTED,
  type ItemError,
  type LinkTarget,
  type Reply,
  type Task,
  type WorkerInit,
} from './messages.js';
import { MetadataSetter, type Warn } from './metadata.js';
import { refusesName, unsupportedName } from './names.js';
import { RangeCopier } from './range-copier.js';
import { type Run, runsOf } from './runs.js';
import { isSameSpecial, makeSpecial } from './special-files.js';
import { temporaryPrefix } from './temporary-names.js';

const { O_RDONLY, O_DIRECTORY } = constants;

/** Performs the tasks of a restore worker: opens frames, writes files and links, sets metadata. */
export class Restorer {
  readonly #directories: DirectoryHandles;
  readonly #index: BlobIndex;
  readonly #opener: FrameOpener;
  readonly #metadata: MetadataSetter;
  readonly #fileSystems: FileSystems;
  readonly #comparer: Comparer;
  readonly #copier = new RangeCopier();
  readonly #sparse: boolean;
  readonly #flags: Int32Array;
  readonly #temporary: string;
  #nextTemporary = 0;
  #memory: Buffer = Buffer.alloc(0);
  #errors: ItemError[] = [];
  #there: number[] = [];
  #compared: Comparison[] = [];

  constructor(init: WorkerInit) {
    const keys = importKeys(init.keys);
    this.#directories = new DirectoryHandles(init.target);
    this.#index = new BlobIndex(init.index);
    this.#opener = new FrameOpener(this.#index, keys, new PackKeyRing(keys));
    this.#metadata = new MetadataSetter(init.rules, new OwnerNames());
    this.#fileSystems = new FileSystems(() => this.#temporaryName(), init.rules.dryRun);
    this.#comparer = new Comparer(this.#index, keys.id, this.#metadata, this.#fileSystems, init.rules.dryRun, () =>
      this.#stopIfAborted(),
    );
    this.#sparse = init.rules.sparse;
    this.#temporary = temporaryPrefix(init.run, String(threadId));
    this.#flags = init.flags;
  }

  close(): void {
    this.#directories.close();
  }

  perform(task: Task): Served<Reply> {
    this.#stopIfAborted();
    this.#errors = [];
    this.#there = [];
    this.#compared = [];
    const failed = this.#perform(task);
    return { reply: { errors: this.#errors, failed, there: this.#there, compared: this.#compared } };
  }

  #stopIfAborted(): void {
    if (Atomics.load(this.#flags, 0) !== 0) throw new VarveError('interrupted', INTERRUPTED);
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
      case 'stands':
        this.#each(task.files, (file, number) => {
          if (this.#stands(file)) this.#there.push(number);
        });
        return [];
      case 'link':
        return this.#each(task.links, (link, number) => {
          if (!this.#link(link)) this.#there.push(number);
        });
      case 'directories':
        return this.#each(task.directories, (directory) => this.#directory(directory));
      case 'compare':
        return this.#each(task.files, (file, number) => {
          this.#compared[number] = { outcome: 'different' };
          const { directory, name } = this.#locate(file);
          this.#compared[number] = this.#comparer.compare(directory, name, file, this.#warnerOf(file));
        });
      case 'verify':
        return this.#each([task.file], (file) => {
          const { directory, name } = this.#locate(file);
          this.#comparer.verify(directory, name, file);
        });
    }
  }

  /** A file's name and its open directory, which stays open until the next call. */
  #locate(file: FileTarget): { directory: number; name: Buffer } {
    const { directory, name } = splitPath(asBuffer(file.path));
    return { directory: this.#directories.directory(directory), name };
  }

  /** Runs an action for each item. @returns the numbers of those for which it failed */
  #each<Item extends { readonly path: Uint8Array }>(
    items: readonly Item[],
    action: (item: Item, number: number) => void,
  ): number[] {
    const failed: number[] = [];
    for (const [number, item] of items.entries()) {
      try {
        action(item, number);
      } catch (cause) {
        this.#fail(item.path, cause);
        failed.push(number);
      }
    }
    return failed;
  }

  #writeTask(task: Extract<Task, { kind: 'write' }>): number[] {
    const failed = new Set<number>();
    const files = task.files.map((target) => new GrowingFile(target, this.#sparse, this.#fileSystems));
    for (const { uses } of task.frames) for (const { file } of uses) (files[file] as GrowingFile).remaining++;
    try {
      for (const { frame, uses } of task.frames) {
        const wanted = uses.filter(({ file }) => !failed.has(file));
        if (wanted.length > 0) this.#writeFrame(task, frame, wanted, files, failed);
      }
    } catch (cause) {
      for (const file of files) if (file.handle !== undefined) this.#abandon(file);
      throw cause;
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
    const located = this.#index.frame(frame);
    const runs = runsOf(uses, this.#index);
    let raw: Buffer;
    try {
      const at = located.offset - task.start;
      const stored = asBuffer(task.bytes.subarray(at, at + located.storedLength));
      raw = this.#opener.open(located, stored, this.#bufferFor(located.rawLength));
    } catch (cause) {
      for (const { file } of uses) fail(file, cause);
      return;
    }
    for (const run of runs) {
      if (failed.has(run.file)) continue;
      try {
        for (const use of run.uses) this.#check(use, raw, located.pack);
        this.#write(files[run.file] as GrowingFile, run, raw.subarray(run.start, run.end));
      } catch (cause) {
        fail(run.file, cause);
      }
    }
  }

  /** The buffer that frames are opened in; reused, because a frame's blobs are written before the next is opened. */
  #bufferFor(length: number): Buffer {
    if (this.#memory.length < length) this.#memory = Buffer.allocUnsafeSlow(length);
    return this.#memory.subarray(0, length);
  }

  /** @throws VarveError `damaged` unless the frame holds the requested blob */
  #check(use: BlobUse, raw: Buffer, pack: number): void {
    const { offset, length } = this.#index.locate(use.blob);
    this.#opener.verify(asBuffer(use.id), DATA, raw.subarray(offset, offset + length), pack);
  }

  /** Writes blobs to their file. After the last blob of a file that only this task writes, sets its metadata and name. */
  #write(file: GrowingFile, run: Pick<Run, 'uses' | 'stream'>, bytes: Buffer): void {
    const directory = this.#directories.directory(splitPath(asBuffer(file.target.path)).directory);
    if (file.handle === undefined) file.open(directory, this.#temporaryOf(file.target));
    const [first] = run.uses;
    if (first?.pieces === undefined) file.write(bytes, run.stream);
    else {
      for (const { stream, file: offset, length } of run.uses.flatMap((use) => use.pieces ?? []))
        file.write(bytes.subarray(stream - run.stream, stream - run.stream + length), offset);
    }
    file.remaining -= run.uses.length;
    if (file.remaining === 0) this.#complete(file, directory);
  }

  #complete(file: GrowingFile, directory: number): void {
    const { target, temporary } = file;
    if (target.temporary !== undefined) return file.close();
    const entry = entryOf(target);
    file.setSize(entry.size);
    const handle = file.detach();
    try {
      this.#setMetadata(handle, target, entry);
    } finally {
      closeSync(handle);
    }
    this.#moveInto(directory, temporary, splitPath(asBuffer(target.path)).name);
  }

  #setMetadata(place: XattrPlace, target: FileTarget, entry: EntryReader): void {
    const warn = this.#warnerOf(target);
    let xattrs: readonly Xattr[] | undefined;
    try {
      xattrs = xattrsOf(target, entry);
    } catch (cause) {
      const message = `its attributes cannot be read: ${VarveError.from(cause).message}`;
      this.#errors.push({ path: new Uint8Array(target.path), message, kind: 'metadata' });
    }
    const { directory } = splitPath(asBuffer(target.path));
    const bare = entry.type !== 'directory' && !this.#directories.mayPassOnAttributes(directory);
    this.#metadata.set(place, entry, xattrs, bare, warn);
    if (entry.holes !== undefined && !this.#fileSystems.of(this.#directories.directory(directory)).keepsHoles)
      warn('holes', HOLES_FILLED);
  }

  #abandon(file: GrowingFile): void {
    const { target, temporary } = file;
    tryTo(() => file.close());
    if (target.temporary === undefined && temporary.length > 0) this.#discard(beside(asBuffer(target.path), temporary));
  }

  #temporaryOf(target: FileTarget): Buffer {
    return target.temporary === undefined ? this.#temporaryName() : Buffer.from(target.temporary);
  }

  #temporaryName(): Buffer {
    return Buffer.from(`${this.#temporary}${this.#nextTemporary++}`);
  }

  /** Sets the size, metadata and name of a file that several tasks have written. */
  #finish(file: FileTarget): void {
    const { directory, name } = this.#locate(file);
    const temporary = Buffer.from(file.temporary as Uint8Array);
    const entry = entryOf(file);
    const handle = openPart(directory, temporary, this.#fileSystems);
    try {
      if (fstatSync(handle).size !== entry.size) ftruncateSync(handle, entry.size);
      this.#setMetadata(handle, file, entry);
    } finally {
      closeSync(handle);
    }
    this.#moveInto(directory, temporary, name);
  }

  #discard(path: Buffer): void {
    const { directory, name } = splitPath(path);
    tryTo(() => unlinkat(this.#directories.directory(directory), name));
  }

  /** Makes an item without blobs: an empty file, a symbolic link, a FIFO, a socket or a device. */
  #plain(file: FileTarget): void {
    const entry = entryOf(file);
    if (entry.type === 'file') return this.#empty(file);
    const { directory, name } = this.#locate(file);
    const temporary = this.#temporaryName();
    try {
      makeSpecial(entry, directory, temporary);
      this.#setMetadata({ directory, name: temporary }, file, entry);
    } catch (cause) {
      // Some file systems report an error although they have made the file.
      tryTo(() => unlinkat(directory, temporary));
      throw cause;
    }
    this.#moveInto(directory, temporary, name);
  }

  /** Whether a symbolic link or special file exists and matches. If not it is made again: changing it by name would not be safe. */
  #stands(file: FileTarget): boolean {
    const entry = entryOf(file);
    const { directory, name } = this.#locate(file);
    const stat = lstat(name, directory);
    const isSame = isSameSpecial(stat, entry) && stat.links === entry.links;
    if (!isSame || (entry.type === 'symlink' && !readlinkat(directory, name).equals(entry.target as Buffer)))
      return false;
    return this.#metadata.matches({ directory, name }, stat, entry, xattrsOf(file, entry));
  }

  #empty(target: FileTarget): void {
    const file = new GrowingFile(target, false, this.#fileSystems);
    try {
      this.#write(file, { uses: [], stream: 0 }, Buffer.alloc(0));
    } catch (cause) {
      this.#abandon(file);
      throw cause;
    }
  }

  /** @returns false when the link exists already */
  #link({ path, to }: LinkTarget): boolean {
    const from = splitPath(asBuffer(to));
    const target = splitPath(asBuffer(path));
    const { name } = target;
    const source = openat(this.#directories.directory(from.directory), DOT, O_RDONLY | O_DIRECTORY);
    try {
      const directory = this.#directories.directory(target.directory);
      if (linkNew(source, from.name, directory, name)) return true;
      if (isSameFile(source, from.name, directory, name)) return false;
      const temporary = this.#temporaryName();
      this.#linkOrCopy(source, from.name, directory, temporary, path);
      this.#moveInto(directory, temporary, name);
      // Renaming one name of a file over another name of the same file does nothing.
      tryTo(() => unlinkat(directory, temporary));
      return true;
    } finally {
      closeSync(source);
    }
  }

  /** Makes a hard link, or a copy where no further link is possible. */
  #linkOrCopy(source: number, from: Buffer, directory: number, temporary: Buffer, path: Uint8Array): void {
    try {
      linkat(source, from, directory, temporary);
    } catch (cause) {
      if (!NO_LINK.includes(errnoCode(cause) ?? '') || lstat(from, source).type !== 'file') throw cause;
      try {
        copyFile(this.#copier, source, from, directory, temporary, (failure) => {
          const message = `cannot set all of its metadata: ${systemReason(failure)}`;
          this.#errors.push({ path: new Uint8Array(path), message, kind: 'metadata' });
        });
      } catch (failure) {
        tryTo(() => unlinkat(directory, temporary));
        throw failure;
      }
      const message = `is a copy, not a hard link, because the link cannot be made: ${systemReason(cause)}`;
      this.#errors.push({ path: new Uint8Array(path), message, kind: 'link' });
    }
  }

  /** Gives a temporary file its name. When that fails, removes it. */
  #moveInto(directory: number, temporary: Buffer, name: Buffer): void {
    try {
      renameat(directory, temporary, directory, name);
    } catch (cause) {
      const existed = tryTo(() => unlinkat(directory, temporary));
      throw existed && refusesName(cause) ? unsupportedName(cause) : cause;
    }
  }

  /** Sets a directory's metadata, after everything in it is written. */
  #directory(directory: FileTarget): void {
    const entry = entryOf(directory);
    let place: XattrPlace;
    try {
      place = this.#directories.directory(asBuffer(directory.path));
    } catch (cause) {
      // An existing directory that this user may not read.
      if (errnoCode(cause) !== 'EACCES') throw cause;
      place = this.#locate(directory);
    }
    this.#setMetadata(place, directory, entry);
  }

  #fail(path: Uint8Array, cause: unknown): void {
    if (errnoCode(cause) === 'ENOSPC')
      throw new VarveError(
        'full',
        `the target is full: ${Buffer.from(path)}; free some space and run the restore again`,
      );
    if (isInterrupted(cause)) throw cause;
    const message = cause instanceof VarveError ? cause.message : systemReason(cause);
    this.#errors.push({ path: new Uint8Array(path), message, kind: 'content' });
  }

  #warnerOf({ path }: FileTarget): Warn {
    return (kind, message) => this.#errors.push({ path: new Uint8Array(path), message, kind });
  }
}

const DOT = Buffer.from('.');
/** Error codes of link() when a file cannot have another name: not supported, or (EMLINK) too many already. */
const NO_LINK = ['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EMLINK'];

/** @returns false when the name exists, or on any other failure, which the next attempt then reports */
function linkNew(source: number, from: Buffer, directory: number, name: Buffer): boolean {
  try {
    linkat(source, from, directory, name);
    return true;
  } catch {
    return false;
  }
}

function isSameFile(source: number, from: Buffer, directory: number, name: Buffer): boolean {
  const first = lstat(from, source);
  try {
    const second = lstat(name, directory);
    return second.inode === first.inode && second.device === first.device;
  } catch {
    return false;
  }
}

/** Ignores a failure, for cleaning up after another that is reported. @returns whether it succeeded */
function tryTo(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
