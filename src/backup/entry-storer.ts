// Stores what a path contains and makes its entry.
// entry-encoder.ts encodes it, change-detector.ts decides what is unchanged, reporter.ts counts and reports.
import type { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import { asBuffer, equalBytes } from '../bytes/views.js';
import { Directory, type DirectoryPlace } from '../filesystem/directory.js';
import type { OwnerNames } from '../filesystem/owners.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import { readXattrs, type XattrPlace } from '../filesystem/xattrs.js';
import { ownAttachment } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { Layout } from '../format/layout.js';
import { encodeXattrs } from '../format/xattrs.js';
import { ChangeDetector } from './change-detector.js';
import { CurrentFile } from './current-file.js';
import { EntryEncoder, type EntryFields } from './entry-encoder.js';
import { type StoredFile, storeFile, wasModified } from './file-storer.js';
import type { LargeFile, PendingFile, ReadAttributes, WorkerInit } from './messages.js';
import { sameMetadata } from './previous.js';
import type { BackupReporter } from './reporter.js';
import { storableSize } from './storable-size.js';
import type { Storer } from './storer.js';

/** Files with several hard links to remember, so that the memory stays bounded. */
const MAX_LINKED = 100_000;

/** An encoded entry, and whether it is the parent snapshot's byte for byte. */
export interface StoredEntry {
  readonly raw: Buffer;
  readonly same: boolean;
}

/** A directory whose entry is complete except for its content. */
export interface WalkedDirectory {
  readonly name: Buffer;
  readonly path: Buffer;
  readonly stat: FileStat;
  readonly previous: Uint8Array | undefined;
  readonly xattrs: ReadAttributes;
  /** The snapshot's root, which has no entry of its own. */
  readonly isRoot: boolean;
}

/** Stores files and directories, and returns their encoded entries. */
export class EntryStorer {
  readonly #storer: Storer;
  readonly #reporter: BackupReporter;
  readonly #encoder: EntryEncoder;
  /** Compares paths with the parent snapshot. */
  readonly changes: ChangeDetector;
  /** Shows which file is being read. */
  readonly current: CurrentFile;
  /** Content of files with several hard links, by device and inode. */
  readonly #linked = new Map<string, StoredFile>();

  constructor(
    init: Pick<WorkerInit, 'rules' | 'current'>,
    storer: Storer,
    owners: OwnerNames,
    reporter: BackupReporter,
  ) {
    this.#storer = storer;
    this.#reporter = reporter;
    this.#encoder = new EntryEncoder(owners, init.rules.withAtime);
    this.changes = new ChangeDetector(init.rules, owners, storer, reporter);
    this.current = new CurrentFile(init.current);
  }

  /** Stores a directory. @param children the encoded entries of all its children, in order of name */
  finishDirectory(directory: WalkedDirectory, children: Iterable<Uint8Array>): Buffer {
    const { tree } = this.#storer;
    const before = { added: tree.stored.rawBytes, stored: tree.stored.storedBytes };
    tree.begin();
    for (const child of children) tree.write(child);
    const reference = tree.end();
    const content = this.#storer.reference(reference.size, reference.ids);
    const { name, path, stat, xattrs, previous, isRoot } = directory;
    const raw = this.#encode(name, stat, { content, xattrs });
    const action = previous === undefined ? 'new' : equalBytes(previous, raw) ? 'unmodified' : 'changed';
    this.#reporter.directory(path, isRoot, action, () => ({
      metadataAdded: tree.stored.rawBytes - before.added,
      metadataStored: tree.stored.storedBytes - before.stored,
    }));
    return raw;
  }

  /** Makes the entry of a directory in which nothing has changed, from the parent's content. */
  unchangedDirectory(directory: WalkedDirectory, previous: EntryReader): Buffer {
    const { name, path, stat, xattrs, isRoot } = directory;
    const same = this.changes.isSameEntry(previous, stat, () => path);
    this.#reporter.directory(path, isRoot, same ? 'unmodified' : 'changed');
    if (!same) return this.#encode(name, stat, { content: previous.content, xattrs });
    if (previous.xattrs !== undefined) this.#reporter.countXattrs();
    return directory.previous as Buffer;
  }

  /**
   * Makes the entry of a file whose segments are all stored.
   *
   * @param directory of the file; undefined for one made from a stream
   * @param size bytes that were read
   */
  finishFile(directory: DirectoryPlace | undefined, path: Buffer, file: LargeFile, size: number, ids: Buffer): Buffer {
    const { name, stat, changed } = file;
    const layout = layoutOfLarge(file, size);
    const xattrs = directory && this.#finishReading(directory, path, file);
    const content = this.#storer.reference(size, ids);
    const reported = { size: layout?.size ?? size, uncounted: holeBytes(layout) };
    this.#reporter.file(path, () => path, changed ? 'changed' : 'new', reported);
    return this.#encodeFile(asBuffer(name), stat, content, layout, xattrs);
  }

  /** Reads and stores a file. @returns undefined after a failure, which is reported */
  storeFile(directory: Directory, file: PendingFile): Buffer | undefined {
    const name = asBuffer(file.name);
    const path = (): Buffer => directory.pathOf(name);
    const started = this.#reporter.verbose ? performance.now() : 0;
    const { rawBytes, storedBytes } = this.#storer.data.stored;
    let read = 0;
    this.current.set(path());
    try {
      const { stat, content, layout, xattrs, torn } = this.#storeContent(directory, file, (bytes) => {
        read += bytes;
        this.#reporter.countBytes(bytes);
      });
      this.#storer.countStored();
      if (torn) this.#reporter.reportTorn(path());
      const reported = { size: layout?.size ?? content.size, uncounted: holeBytes(layout) };
      this.#reporter.file(directory.path, path, file.changed ? 'changed' : 'new', reported, () => ({
        dataAdded: this.#storer.data.stored.rawBytes - rawBytes,
        dataStored: this.#storer.data.stored.storedBytes - storedBytes,
        seconds: (performance.now() - started) / 1000,
      }));
      return this.#encodeFile(name, stat, content, layout, xattrs);
    } catch (cause) {
      this.#reporter.countBytes(-read);
      this.#reporter.reportError(path(), cause, 'archival');
      return undefined;
    }
  }

  /** Makes the entry of a file whose content is unchanged. */
  unchangedFile(directory: Directory, name: Buffer, stat: FileStat, before: EntryReader): StoredEntry {
    const { content, holes, size } = before;
    const path = (): Buffer => directory.pathOf(name);
    this.#reporter.file(directory.path, path, 'unmodified', { size, uncounted: size });
    if (this.changes.isSameEntry(before, stat, path)) {
      if (before.xattrs !== undefined) this.#reporter.countXattrs();
      return { raw: before.raw, same: true };
    }
    const xattrs = this.#readXattrs(directory.xattrPlace(name), path);
    return { raw: this.#encode(name, stat, { content, xattrs, holes, size }), same: false };
  }

  /** Makes the entry of a symbolic link, FIFO, socket or device. @returns undefined after a failure, which is reported */
  special(
    directory: Directory,
    name: Buffer,
    stat: FileStat,
    before: EntryReader | undefined,
  ): StoredEntry | undefined {
    const path = (): Buffer => directory.pathOf(name);
    try {
      const target = stat.type === 'symlink' ? directory.readlink(name) : undefined;
      const isDevice = stat.type === 'character' || stat.type === 'block';
      const rdev = isDevice ? ([stat.rdevMajor, stat.rdevMinor] as const) : undefined;
      const xattrs =
        before !== undefined && this.changes.isSameEntry(before, stat, path)
          ? before.xattrs
          : this.#readXattrs(directory.xattrPlace(name), path);
      const raw = this.#encode(name, stat, { xattrs, target, rdev });
      const same = before !== undefined && equalBytes(before.raw, raw);
      this.#reporter.other(directory.path, path, before === undefined ? 'new' : same ? 'unmodified' : 'changed');
      return { raw, same };
    } catch (cause) {
      this.#reporter.reportError(path(), cause, 'archival');
      return undefined;
    }
  }

  /** Reads and stores the attributes of an open directory. */
  directoryXattrs(directory: Directory, stat: FileStat, before: EntryReader | undefined): ReadAttributes {
    const path = (): Buffer => directory.path;
    return before !== undefined && this.changes.isSameEntry(before, stat, path)
      ? ownAttachment(before.xattrs)
      : this.#readXattrs(directory.xattrPlace(), path);
  }

  /** Reads and stores attributes. After a failure, which is reported, the entry has none until the next backup. */
  #readXattrs(place: XattrPlace, path: () => Buffer): ReadAttributes {
    try {
      const xattrs = readXattrs(place);
      return xattrs.length === 0 ? undefined : this.#storer.attach(encodeXattrs(xattrs));
    } catch (cause) {
      this.#reporter.reportUnreadXattrs(path, cause);
      return 'unread';
    }
  }

  /** Reads a file with several hard links only once in this worker. */
  #storeContent(directory: Directory, file: PendingFile, onRead: (bytes: number) => void): StoredFile {
    const { stat } = file;
    const name = asBuffer(file.name);
    const key = stat.links > 1 ? `${stat.device}:${stat.inode}` : undefined;
    const known = key === undefined ? undefined : this.#linked.get(key);
    if (known !== undefined && sameMetadata(known.stat, stat)) {
      onRead(known.content.size);
      return known;
    }
    const xattrsOf = (opened: number): ReadAttributes => this.#readXattrs(opened, () => directory.pathOf(name));
    const stored = storeFile(this.#storer, directory, name, xattrsOf, onRead);
    if (key !== undefined && this.#linked.size < MAX_LINKED) this.#linked.set(key, stored);
    return stored;
  }

  /** After reading a large file: reports whether it changed meanwhile, and reads its attributes. */
  #finishReading(place: DirectoryPlace, path: Buffer, file: LargeFile): ReadAttributes {
    try {
      const directory = Directory.openPlace(place);
      try {
        const opened = directory.openFile(asBuffer(file.name));
        try {
          if (wasModified(file.stat, storableSize(fstat(opened)))) this.#reporter.reportTorn(path);
          return this.#readXattrs(opened, () => path);
        } finally {
          closeSync(opened);
        }
      } finally {
        directory.close();
      }
    } catch (cause) {
      this.#reporter.reportError(path, cause, 'archival');
      return 'unread';
    }
  }

  #encodeFile(
    name: Buffer,
    stat: FileStat,
    content: ContentRef,
    layout: Layout | undefined,
    xattrs: ReadAttributes,
  ): Buffer {
    const holes = layout && this.#storer.attach(layout.encode());
    return this.#encode(name, stat, { content, xattrs, holes, size: layout?.size });
  }

  #encode(name: Buffer, stat: FileStat, fields: EntryFields): Buffer {
    if (fields.xattrs !== undefined && fields.xattrs !== 'unread') this.#reporter.countXattrs();
    return this.#encoder.encode(name, stat, fields);
  }
}

function layoutOfLarge({ layout, stat, stored }: LargeFile, size: number): Layout | undefined {
  if (layout === undefined) return undefined;
  const whole = Layout.decode(asBuffer(layout), stat.size, stored, 'layout');
  return size < stored ? whole.truncated(size) : whole;
}

/** Holes count as processed bytes, because they are part of the file. */
const holeBytes = (layout: Layout | undefined): number => (layout === undefined ? 0 : layout.size - layout.stored);
