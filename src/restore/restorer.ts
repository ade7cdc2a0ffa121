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
const S_IFMT_OF: Partial<Record<string, number>> = { fifo: 0o010000, character: 0o020000, block: 0o060000, socket: 0o140000 };

/** A piece of a file, and where it goes. */
interface Part {
  readonly offset: number;
  readonly bytes: Buffer;
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
        return this.#write(task);
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

  #write(task: Extract<Task, { kind: 'write' }>): number[] {
    const failed = new Set<number>();
    const whole = new Map<number, Part[]>();
    for (const { frame, uses } of task.frames) {
      const located = this.#index.frame(frame);
      const at = located.offset - task.start;
      let raw: Buffer;
      try {
        raw = this.#opener.open(located, asBuffer(task.bytes.subarray(at, at + located.storedLength)));
      } catch (cause) {
        for (const { file } of uses) this.#failOnce(failed, file, task.files, cause);
        continue;
      }
      for (const use of uses) {
        if (failed.has(use.file)) continue;
        try {
          this.#use(use, task.files[use.file] as FileTarget, this.#blob(use, raw, located.pack), whole);
        } catch (cause) {
          this.#failOnce(failed, use.file, task.files, cause);
        }
      }
    }
    for (const [file, parts] of whole) {
      if (failed.has(file)) continue;
      try {
        this.#writeWhole(task.files[file] as FileTarget, parts);
      } catch (cause) {
        this.#failOnce(failed, file, task.files, cause);
      }
    }
    return [...failed];
  }

  #blob(use: BlobUse, raw: Buffer, pack: number): Buffer {
    const { offset, length } = this.#index.locate(use.blob);
    const blob = raw.subarray(offset, offset + length);
    this.#opener.verify(asBuffer(use.id), DATA, blob, pack);
    return blob;
  }

  /** A file that is all in this task is written at once when its last blob is there; others grow under a temporary name. */
  #use(use: BlobUse, file: FileTarget, blob: Buffer, whole: Map<number, Part[]>): void {
    if (file.temporary !== undefined) return this.#writePart(file, use.fileOffset, blob);
    const part = { offset: use.fileOffset, bytes: blob };
    if (blob.length === entryOf(file).size) return this.#writeWhole(file, [part]);
    const parts = whole.get(use.file);
    if (parts === undefined) whole.set(use.file, [part]);
    else parts.push(part);
  }

  #writePart(file: FileTarget, offset: number, blob: Buffer): void {
    const { folder } = splitPath(Buffer.from(file.path));
    const name = Buffer.from(file.temporary as Uint8Array);
    const handle = openat(this.#folders.folder(folder), name, O_WRONLY | O_CREAT | O_NOFOLLOW, PRIVATE);
    try {
      writeAll(handle, blob, offset);
    } finally {
      closeSync(handle);
    }
  }

  #writeWhole(file: FileTarget, parts: readonly Part[]): void {
    const { folder, name } = splitPath(asBuffer(file.path));
    const directory = this.#folders.folder(folder);
    const temporary = Buffer.from(`${this.#temporary}${this.#nextTemporary++}`);
    const handle = openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE);
    try {
      for (const { offset, bytes } of parts) writeAll(handle, bytes, offset);
      this.#metadata.onFile(handle, entryOf(file), (what) => this.#warn(file.path, what));
      closeSync(handle);
      renameat(directory, temporary, directory, name);
    } catch (cause) {
      tryTo(() => closeSync(handle));
      tryTo(() => unlinkat(directory, temporary));
      throw cause;
    }
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
    if (entry.type === 'file') return this.#writeWhole(file, []);
    const { folder, name } = splitPath(asBuffer(file.path));
    const directory = this.#folders.folder(folder);
    const temporary = Buffer.from(`${this.#temporary}${this.#nextTemporary++}`);
    make(entry, directory, temporary);
    this.#metadata.onName(directory, temporary, entry, (what) => this.#warn(file.path, what));
    this.#moveInto(directory, temporary, name);
  }

  #link(path: Buffer, to: Buffer): void {
    const from = splitPath(to);
    const { folder, name } = splitPath(path);
    const source = openat(this.#folders.folder(from.folder), DOT, O_RDONLY | constants.O_DIRECTORY);
    try {
      const directory = this.#folders.folder(folder);
      const temporary = Buffer.from(`${this.#temporary}${this.#nextTemporary++}`);
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
        if (readSync(handle, bytes, 0, length, offset) !== length) throw new VarveError('target', 'is shorter than it should be');
        const id = ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES);
        if (!this.#opener.matches(id, DATA, bytes)) throw new VarveError('target', `differs from the snapshot near byte ${offset}`);
        offset += length;
      }
      if (fstatSync(handle).size !== offset) throw new VarveError('target', 'is longer than it should be');
    } finally {
      closeSync(handle);
    }
  }

  #failOnce(failed: Set<number>, number: number, files: readonly FileTarget[], cause: unknown): void {
    if (failed.has(number)) return;
    failed.add(number);
    this.#fail((files[number] as FileTarget).path, cause);
  }

  #fail(path: Uint8Array, cause: unknown): void {
    if (errnoCode(cause) === 'ENOSPC') throw new VarveError('full', `the target is full: ${Buffer.from(path)}; free some space and run it again`);
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
