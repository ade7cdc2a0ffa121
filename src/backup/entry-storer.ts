import { Buffer } from 'node:buffer';
import { asBuffer, equalBytes } from '../bytes/views.js';
import { MessagePackWriter } from '../bytes/writer.js';
import { type ErrorCode, VarveError } from '../errors/errors.js';
import { type Directory, joinPath } from '../filesystem/directory.js';
import type { OwnerNames } from '../filesystem/owners.js';
import type { FileStat } from '../filesystem/stat.js';
import type { ContentRef } from '../format/content.js';
import { type Entry, type EntryReader, type EntryStat, writeEntry } from '../format/entry.js';
import { count } from './counters.js';
import { makeEntry, readFailure, storeFile } from './file-storer.js';
import type { ItemAction, Note, PendingFile, WorkerInit } from './messages.js';
import { sameContent, sameMetadata } from './previous.js';
import type { Storer } from './storer.js';

/** Files with several names that are remembered, so that the memory stays bounded. */
const MAX_LINKED = 100_000;
/** What reading an old tree may end with when the tree is damaged, lost, or not for this key. */
const UNREADABLE: readonly ErrorCode[] = ['damaged', 'not-found', 'storage', 'role'];

/** An encoded entry, and whether it is the parent snapshot's as it stood there. */
export interface TakenEntry {
  readonly raw: Buffer;
  readonly same: boolean;
}

/** Makes the encoded entry of one file or folder, storing what it contains; counts and tells what it did. */
export class EntryStorer {
  readonly #init: WorkerInit;
  readonly #storer: Storer;
  readonly #owners: OwnerNames;
  readonly #note: (note: Note) => void;
  readonly #encoder = new MessagePackWriter();
  /** Content of files with several names, by device and inode. */
  readonly #linked = new Map<string, { readonly stat: EntryStat; readonly content: ContentRef }>();

  constructor(init: WorkerInit, storer: Storer, owners: OwnerNames, note: (note: Note) => void) {
    this.#init = init;
    this.#storer = storer;
    this.#owners = owners;
    this.#note = note;
  }

  /** Encodes the entry of a directory whose children are all known, in order of name. */
  finishDirectory(
    directory: { name: Buffer; path: Buffer; stat: EntryStat; previous: Uint8Array | undefined },
    children: Iterable<Uint8Array>,
  ): Buffer {
    const { tree } = this.#storer;
    const before = { added: tree.stored.rawBytes, stored: tree.stored.storedBytes };
    tree.begin();
    for (const child of children) tree.write(child);
    const reference = tree.end();
    const content = this.#storer.reference(reference.size, reference.ids);
    const raw = this.#encode(makeEntry(directory.name, directory.stat, this.#owners, { content }));
    const { previous } = directory;
    const action = previous === undefined ? 'new' : equalBytes(previous, raw) ? 'unmodified' : 'changed';
    this.#countDirectory(directory.path, action);
    if (this.#init.verbose) {
      this.tell(directory.path, true, action, 0, {
        metadataAdded: tree.stored.rawBytes - before.added,
        metadataStored: tree.stored.storedBytes - before.stored,
      });
    }
    return raw;
  }

  /** The entry of a file whose content is stored. */
  finishFile(file: PendingFile, size: number, ids: Buffer): Buffer {
    const content = this.#storer.reference(size, ids);
    count(this.#init.counters, file.changed ? 'filesChanged' : 'filesNew');
    if (this.#init.verbose) this.tell(Buffer.from(file.path), false, file.changed ? 'changed' : 'new', size, {});
    return this.#encode(makeEntry(Buffer.from(file.name), file.stat, this.#owners, { content }));
  }

  /** Reads a file and stores it; undefined when that failed, which is then told. */
  storeFile(file: PendingFile): Buffer | undefined {
    const { changed } = file;
    const path = asBuffer(file.path);
    const { counters, verbose } = this.#init;
    const started = verbose ? performance.now() : 0;
    const { rawBytes, storedBytes } = this.#storer.data.stored;
    let read = 0;
    try {
      const { stat, content } = this.#storeContent(file, (bytes) => {
        read += bytes;
        count(counters, 'bytes', bytes);
      });
      count(counters, changed ? 'filesChanged' : 'filesNew');
      this.#storer.countStored();
      if (verbose) {
        this.tell(path, false, changed ? 'changed' : 'new', content.size, {
          dataAdded: this.#storer.data.stored.rawBytes - rawBytes,
          dataStored: this.#storer.data.stored.storedBytes - storedBytes,
          seconds: (performance.now() - started) / 1000,
        });
      }
      return this.#encode(makeEntry(asBuffer(file.name), stat, this.#owners, { content }));
    } catch (cause) {
      count(counters, 'bytes', -read);
      this.reportError(path, cause, 'archival');
      return undefined;
    }
  }

  /** The entry of a file whose content is taken over from the parent snapshot. */
  unchanged(folder: Buffer, name: Buffer, stat: FileStat, before: EntryReader): TakenEntry {
    count(this.#init.counters, 'filesUnmodified');
    count(this.#init.counters, 'bytes', stat.size);
    if (this.#init.verbose) this.tell(joinPath(folder, name), false, 'unmodified', stat.size, {});
    if (sameMetadata(before, stat) && this.#sameOwners(before, stat)) return { raw: before.raw, same: true };
    return { raw: this.#encode(makeEntry(name, stat, this.#owners, { content: before.content })), same: false };
  }

  /** Whether the parent snapshot's content is still that of the file, and is still stored. */
  isUnchanged(folder: Buffer, name: Buffer, stat: FileStat, before: EntryReader): boolean {
    if (!sameContent(before, stat, this.#init.rules)) return false;
    const { content } = before;
    return content !== undefined && this.isStored(content, folder, name);
  }

  /** Links, FIFOs, sockets and devices. */
  special(folder: Directory, name: Buffer, stat: FileStat, before: EntryReader | undefined): TakenEntry | undefined {
    try {
      const target = stat.type === 'symlink' ? folder.readlink(name) : undefined;
      const device = stat.type === 'character' || stat.type === 'block';
      const rdev = device ? ([stat.rdevMajor, stat.rdevMinor] as const) : undefined;
      const raw = this.#encode(makeEntry(name, stat, this.#owners, { target, rdev }));
      const same = before !== undefined && equalBytes(before.raw, raw);
      const action = before === undefined ? 'new' : same ? 'unmodified' : 'changed';
      count(
        this.#init.counters,
        action === 'new' ? 'othersNew' : action === 'changed' ? 'othersChanged' : 'othersUnmodified',
      );
      if (this.#init.verbose) this.tell(joinPath(folder.path, name), false, action, 0, {});
      return { raw, same };
    } catch (cause) {
      this.reportError(joinPath(folder.path, name), cause, 'archival');
      return undefined;
    }
  }

  /** The entry of a directory in which nothing has changed: its content need not be put together again. */
  unchangedDirectory(
    directory: { name: Buffer; path: Buffer; previous: Uint8Array | undefined },
    stat: FileStat,
    previous: EntryReader,
  ): Buffer {
    const same = sameMetadata(previous, stat) && this.#sameOwners(previous, stat);
    this.#countDirectory(directory.path, same ? 'unmodified' : 'changed');
    if (this.#init.verbose) this.tell(directory.path, true, same ? 'unmodified' : 'changed', 0, {});
    if (same) return directory.previous as Buffer;
    return this.#encode(makeEntry(directory.name, stat, this.#owners, { content: previous.content }));
  }

  /** Tells that a path could not be read; what is not the path's fault is thrown. */
  reportError(path: Buffer, cause: unknown, during: 'scan' | 'archival'): void {
    const message = readFailure(cause);
    count(this.#init.counters, 'errors');
    this.#note({ kind: 'error', path, message, during });
  }

  /**
   * Tells that what the parent snapshot has of a path cannot be read: then the files themselves are. It counts as an error, since the new
   * snapshot may share what is damaged.
   *
   * @throws the cause, when it is not that
   */
  reportUnknown(path: Buffer, cause: unknown): void {
    if (!(cause instanceof VarveError && UNREADABLE.includes(cause.code))) throw cause;
    // An append key cannot read what others wrote, nor its own when the cache is lost.
    if (cause.code === 'role') return;
    const message = `cannot be compared with the parent snapshot: ${cause.message}`;
    count(this.#init.counters, 'errors');
    this.#note({ kind: 'error', path, message, during: 'scan' });
  }

  /** Whether all of a content that the parent snapshot has is still stored. */
  isStored(content: ContentRef, folder: Buffer, name?: Buffer): boolean {
    try {
      return this.#storer.has(content);
    } catch (cause) {
      this.reportUnknown(name === undefined ? folder : joinPath(folder, name), cause);
      return false;
    }
  }

  /** Of a file with several names in what this worker walks, the content is read once. */
  #storeContent(file: PendingFile, onRead: (bytes: number) => void): { stat: EntryStat; content: ContentRef } {
    const { stat } = file;
    const key = stat.links > 1 ? `${stat.device}:${stat.inode}` : undefined;
    const known = key === undefined ? undefined : this.#linked.get(key);
    if (known !== undefined && sameMetadata(known.stat, stat)) {
      onRead(known.content.size);
      return { stat, content: known.content };
    }
    const stored = storeFile(this.#storer, asBuffer(file.path), onRead);
    if (key !== undefined && this.#linked.size < MAX_LINKED) this.#linked.set(key, stored);
    return stored;
  }

  /** The root directory has no entry of its own that could change. */
  #countDirectory(path: Buffer, action: 'new' | 'changed' | 'unmodified'): void {
    if (path.length === 1) return;
    count(this.#init.counters, action === 'new' ? 'dirsNew' : action === 'changed' ? 'dirsChanged' : 'dirsUnmodified');
  }

  #sameOwners(before: EntryReader, stat: FileStat): boolean {
    return before.user === this.#owners.userName(stat.uid) && before.group === this.#owners.groupName(stat.gid);
  }

  #encode(entry: Entry): Buffer {
    this.#encoder.reset();
    writeEntry(this.#encoder, entry);
    return Buffer.from(this.#encoder.view());
  }

  /** Tells what was done with a path, for `--verbose`. */
  tell(
    path: Buffer,
    directory: boolean,
    action: ItemAction,
    size: number,
    rest: Partial<Extract<Note, { kind: 'item' }>>,
  ): void {
    const nothing = { dataAdded: 0, dataStored: 0, metadataAdded: 0, metadataStored: 0, seconds: 0 };
    this.#note({ kind: 'item', path, directory, action, size, ...nothing, ...rest });
  }
}
