import { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import type { Int64 } from '../bytes/int64.js';
import { asBuffer, equalBytes } from '../bytes/views.js';
import { MessagePackWriter } from '../bytes/writer.js';
import { isAboutObject, VarveError } from '../errors/errors.js';
import { Directory, type DirectoryPlace } from '../filesystem/directory.js';
import type { OwnerNames } from '../filesystem/owners.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import { readXattrs, type XattrPlace } from '../filesystem/xattrs.js';
import { type Attachment, isReference, ownAttachment } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import { type Entry, writeEntry } from '../format/entry.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import { Layout } from '../format/layout.js';
import { joinPath } from '../format/path.js';
import { encodeXattrs } from '../format/xattrs.js';
import { isUnlisted } from '../repository/reading/blob-reader.js';
import { count } from './counters.js';
import { CurrentFile } from './current-file.js';
import { readFailure, type StoredFile, storeFile, wasModified } from './file-storer.js';
import type { ItemAction, LargeFile, Note, PendingFile, ReadAttributes, WorkerInit } from './messages.js';
import { sameContent, sameMetadata } from './previous.js';
import { SourceTally } from './source-tally.js';
import { storableSize } from './storable-size.js';
import type { Storer } from './storer.js';

/** Files with several names that are remembered, so that the memory stays bounded. */
const MAX_LINKED = 100_000;
const TORN = 'changed while it was read: it is stored as it was read, and will be read again next time';

/** What an entry has beside the name and lstat's figures. */
interface Rest extends Pick<Entry, 'content' | 'target' | 'rdev' | 'holes'> {
  readonly xattrs: ReadAttributes;
  /** Where it is not that of the content or the target. */
  readonly size: number | undefined;
}

/** An encoded entry, and whether it is the parent snapshot's as it stood there. */
export interface TakenEntry {
  readonly raw: Buffer;
  readonly same: boolean;
}

/** A directory of which everything is known but what it contains. */
export interface WalkedDirectory {
  readonly name: Buffer;
  readonly path: Buffer;
  readonly stat: FileStat;
  readonly previous: Uint8Array | undefined;
  readonly xattrs: ReadAttributes;
  /** The snapshot's root, which has no entry of its own. */
  readonly isRoot: boolean;
}

/** Makes the encoded entry of one file or directory, storing what it contains; counts and tells what it did. */
export class EntryStorer {
  readonly #init: WorkerInit;
  readonly #storer: Storer;
  readonly #owners: OwnerNames;
  readonly #note: (note: Note) => void;
  readonly #tally: SourceTally;
  readonly #encoder = new MessagePackWriter();
  /** The file that is being read. */
  readonly current: CurrentFile;
  /** Content of files with several names, by device and inode. */
  readonly #linked = new Map<string, StoredFile>();

  constructor(init: WorkerInit, storer: Storer, owners: OwnerNames, note: (note: Note) => void) {
    this.#init = init;
    this.#storer = storer;
    this.#owners = owners;
    this.#note = note;
    this.current = new CurrentFile(init.current);
    this.#tally = new SourceTally(init.tally);
  }

  /** Encodes the entry of a directory whose children are all known, in order of name. */
  finishDirectory(directory: WalkedDirectory, children: Iterable<Uint8Array>): Buffer {
    const { tree } = this.#storer;
    const before = { added: tree.stored.rawBytes, stored: tree.stored.storedBytes };
    tree.begin();
    for (const child of children) tree.write(child);
    const reference = tree.end();
    const content = this.#storer.reference(reference.size, reference.ids);
    const { name, stat, xattrs, previous } = directory;
    const raw = this.#encodeFile(name, stat, content, undefined, xattrs);
    const action = previous === undefined ? 'new' : equalBytes(previous, raw) ? 'unmodified' : 'changed';
    this.#countDirectory(directory, action);
    if (this.#init.verbose) {
      this.#reportItem(directory.path, true, action, 0, {
        metadataAdded: tree.stored.rawBytes - before.added,
        metadataStored: tree.stored.storedBytes - before.stored,
      });
    }
    return raw;
  }

  /**
   * The entry of a file of which all segments are stored.
   *
   * @param directory where the file is; undefined for one that is made up around a stream
   * @param size bytes that were read
   */
  finishFile(directory: DirectoryPlace | undefined, path: Buffer, file: LargeFile, size: number, ids: Buffer): Buffer {
    const { name, stat, changed } = file;
    const layout = layoutOfLarge(file, size);
    const xattrs = directory && this.#lookAgain(directory, path, file);
    const content = this.#storer.reference(size, ids);
    count(this.#init.counters, changed ? 'filesChanged' : 'filesNew');
    count(this.#init.counters, 'bytes', holeBytes(layout));
    this.#tally.add(path, () => path, layout?.size ?? size);
    if (this.#init.verbose) this.#reportItem(path, false, changed ? 'changed' : 'new', layout?.size ?? size, {});
    return this.#encodeFile(asBuffer(name), stat, content, layout, xattrs);
  }

  /** Reads a file and stores it; undefined when that failed, which is then told. */
  storeFile(directory: Directory, file: PendingFile): Buffer | undefined {
    const { changed } = file;
    const name = asBuffer(file.name);
    const { counters, verbose } = this.#init;
    const started = verbose ? performance.now() : 0;
    const { rawBytes, storedBytes } = this.#storer.data.stored;
    let read = 0;
    this.current.set(directory.pathOf(name));
    try {
      const { stat, content, layout, xattrs, torn } = this.#storeContent(directory, file, (bytes) => {
        read += bytes;
        count(counters, 'bytes', bytes);
      });
      count(counters, changed ? 'filesChanged' : 'filesNew');
      count(counters, 'bytes', holeBytes(layout));
      this.#tallyEntry(directory, name, layout?.size ?? content.size);
      this.#storer.countStored();
      if (torn) this.#note({ kind: 'changed', path: directory.pathOf(name), message: TORN });
      if (verbose) {
        this.#reportItem(directory.pathOf(name), false, changed ? 'changed' : 'new', layout?.size ?? content.size, {
          dataAdded: this.#storer.data.stored.rawBytes - rawBytes,
          dataStored: this.#storer.data.stored.storedBytes - storedBytes,
          seconds: (performance.now() - started) / 1000,
        });
      }
      return this.#encodeFile(name, stat, content, layout, xattrs);
    } catch (cause) {
      count(counters, 'bytes', -read);
      this.reportError(directory.pathOf(name), cause, 'archival');
      return undefined;
    }
  }

  /** The entry of a file whose content is taken over from the parent snapshot. */
  unchanged(directory: Directory, name: Buffer, stat: FileStat, before: EntryReader): TakenEntry {
    const { content } = before;
    count(this.#init.counters, 'filesUnmodified');
    count(this.#init.counters, 'bytes', before.size);
    this.#tallyEntry(directory, name, before.size);
    if (this.#init.verbose) this.#reportItem(directory.pathOf(name), false, 'unmodified', stat.size, {});
    if (this.#isSame(before, stat) && this.#isAttached(directory, name, before.xattrs)) {
      this.#countXattrs(before.xattrs);
      return { raw: before.raw, same: true };
    }
    const xattrs = this.xattrs(directory.xattrPlace(name), directory, name);
    const { holes, size } = before;
    const raw = this.#encode(name, stat, { content, xattrs, holes, size, target: undefined, rdev: undefined });
    return { raw, same: false };
  }

  /** Whether the parent snapshot's content is still that of the file, and is still stored. */
  isUnchanged(directory: Directory, name: Buffer, stat: FileStat, before: EntryReader): boolean {
    if (!sameContent(before, stat, this.#init.rules)) return false;
    const { content, holes } = before;
    return content !== undefined && this.isStored(content, directory, name) && this.#isAttached(directory, name, holes);
  }

  /** Links, FIFOs, sockets and devices. */
  special(directory: Directory, name: Buffer, stat: FileStat, before: EntryReader | undefined): TakenEntry | undefined {
    try {
      const target = stat.type === 'symlink' ? directory.readlink(name) : undefined;
      const device = stat.type === 'character' || stat.type === 'block';
      const rdev = device ? ([stat.rdevMajor, stat.rdevMinor] as const) : undefined;
      const xattrs =
        before !== undefined && this.#isSame(before, stat) && this.#isAttached(directory, name, before.xattrs)
          ? before.xattrs
          : this.xattrs(directory.xattrPlace(name), directory, name);
      const [content, holes, size] = [undefined, undefined, undefined];
      const raw = this.#encode(name, stat, { content, xattrs, holes, size, target, rdev });
      const same = before !== undefined && equalBytes(before.raw, raw);
      const action = before === undefined ? 'new' : same ? 'unmodified' : 'changed';
      count(
        this.#init.counters,
        action === 'new' ? 'othersNew' : action === 'changed' ? 'othersChanged' : 'othersUnmodified',
      );
      this.#tallyEntry(directory, name, 0);
      if (this.#init.verbose) this.#reportItem(directory.pathOf(name), false, action, 0, {});
      return { raw, same };
    } catch (cause) {
      this.reportError(directory.pathOf(name), cause, 'archival');
      return undefined;
    }
  }

  /** The entry of a directory in which nothing has changed: its content need not be put together again. */
  unchangedDirectory(directory: WalkedDirectory, previous: EntryReader): Buffer {
    const { name, stat, xattrs } = directory;
    const same = this.#isSame(previous, stat) && this.#isAttached(directory.path, undefined, previous.xattrs);
    this.#countDirectory(directory, same ? 'unmodified' : 'changed');
    if (this.#init.verbose) this.#reportItem(directory.path, true, same ? 'unmodified' : 'changed', 0, {});
    if (same) {
      this.#countXattrs(previous.xattrs);
      return directory.previous as Buffer;
    }
    return this.#encodeFile(name, stat, previous.content, undefined, xattrs);
  }

  /** The attributes of a directory that is open. */
  directoryXattrs(directory: Directory, stat: FileStat, before: EntryReader | undefined): ReadAttributes {
    if (
      before !== undefined &&
      this.#isSame(before, stat) &&
      this.#isAttached(directory.path, undefined, before.xattrs)
    ) {
      return ownAttachment(before.xattrs);
    }
    return this.xattrs(directory.xattrPlace(), directory.path);
  }

  /** The attributes of a path. When they cannot be read that is told, and the path goes without them until the next backup. */
  xattrs(place: XattrPlace, directory: Directory | Buffer, name?: Buffer): ReadAttributes {
    try {
      const xattrs = readXattrs(place);
      return xattrs.length === 0 ? undefined : this.#storer.attach(encodeXattrs(xattrs));
    } catch (cause) {
      count(this.#init.counters, 'errors');
      const path = pathIn(directory, name);
      const message = `its attributes and ACLs are left out: ${readFailure(cause)}`;
      this.#note({ kind: 'error', path, message, during: 'archival' });
      return 'unread';
    }
  }

  /** Tells that a path could not be read; what is not the path's fault is thrown. */
  reportError(path: Buffer, cause: unknown, during: 'scan' | 'archival'): void {
    const message = readFailure(cause);
    count(this.#init.counters, 'errors');
    this.#tally.fail(path);
    this.#note({ kind: 'error', path, message, during });
  }

  #tallyEntry(directory: Directory, name: Buffer, bytes: number): void {
    this.#tally.add(directory.path, () => directory.pathOf(name), bytes);
  }

  /**
   * Reports that what the parent snapshot has of a path cannot be read: then the files themselves are. It is an error, as the new snapshot
   * may share what is damaged; but a warning when the index does not list it, as all of it is stored again then.
   *
   * @throws the cause, when it is not that
   */
  reportUnknown(path: Buffer, cause: unknown): void {
    if (!(cause instanceof VarveError && isAboutObject(cause))) throw cause;
    // An append key cannot read what others wrote, nor its own when the cache is lost.
    if (cause.code === 'role') return;
    const message = `cannot be compared with the parent snapshot: ${cause.message}`;
    if (isUnlisted(cause))
      return this.#note({ kind: 'changed', path, message: `${message}; it is read and stored again` });
    count(this.#init.counters, 'errors');
    this.#note({ kind: 'error', path, message, during: 'scan' });
  }

  /** Reports an entry of the parent snapshot that cannot be read. No error: the new snapshot shares nothing with it. */
  warnOfBad(directory: Buffer, { name, error }: BadEntry): void {
    const path = name === undefined ? directory : joinPath(directory, name);
    const message = `the parent snapshot's entry cannot be read, so that the file is: ${error.message}`;
    this.#note({ kind: 'changed', path, message });
  }

  /** Whether all of a content that the parent snapshot has is still stored. */
  isStored(content: ContentRef, directory: Directory | Buffer, name?: Buffer): boolean {
    try {
      return this.#storer.has(content);
    } catch (cause) {
      this.reportUnknown(pathIn(directory, name), cause);
      return false;
    }
  }

  /** Of a file with several names in what this worker walks, the content is read once. */
  #storeContent(directory: Directory, file: PendingFile, onRead: (bytes: number) => void): StoredFile {
    const { stat } = file;
    const name = asBuffer(file.name);
    const key = stat.links > 1 ? `${stat.device}:${stat.inode}` : undefined;
    const known = key === undefined ? undefined : this.#linked.get(key);
    if (known !== undefined && sameMetadata(known.stat, stat)) {
      onRead(known.content.size);
      return known;
    }
    const stored = storeFile(this.#storer, directory, name, (opened) => this.xattrs(opened, directory, name), onRead);
    if (key !== undefined && this.#linked.size < MAX_LINKED) this.#linked.set(key, stored);
    return stored;
  }

  #countDirectory({ isRoot }: WalkedDirectory, action: 'new' | 'changed' | 'unmodified'): void {
    if (isRoot) return;
    count(this.#init.counters, action === 'new' ? 'dirsNew' : action === 'changed' ? 'dirsChanged' : 'dirsUnmodified');
  }

  /** Whether the parent snapshot's entry can be taken over as it stands, attributes included: changing them changes the ctime. */
  #isSame(before: EntryReader, stat: FileStat): boolean {
    const { rules } = this.#init;
    return (
      sameMetadata(before, stat) &&
      stat.ctimeSeconds < rules.racySince &&
      sameTime(before.btime, stat.btime) &&
      sameTime(before.atime, rules.withAtime ? stat.atime : undefined) &&
      before.user === this.#owners.userName(stat.uid) &&
      before.group === this.#owners.groupName(stat.gid)
    );
  }

  #isAttached(directory: Directory | Buffer, name: Buffer | undefined, attachment: Attachment | undefined): boolean {
    return !isReference(attachment) || this.isStored(attachment, directory, name);
  }

  /** Of a file or a directory. */
  #encodeFile(
    name: Buffer,
    stat: FileStat,
    content: ContentRef | undefined,
    layout: Layout | undefined,
    xattrs: ReadAttributes,
  ): Buffer {
    const holes = layout && this.#storer.attach(layout.encode());
    return this.#encode(name, stat, { content, xattrs, holes, size: layout?.size, target: undefined, rdev: undefined });
  }

  /** At the end of a large file: its attributes, and whether it is still as it was at the beginning. */
  #lookAgain(place: DirectoryPlace, path: Buffer, file: LargeFile): ReadAttributes {
    try {
      const directory = Directory.openPlace(place);
      try {
        const opened = directory.openFile(asBuffer(file.name));
        try {
          if (wasModified(file.stat, storableSize(fstat(opened)))) this.#note({ kind: 'changed', path, message: TORN });
          return this.xattrs(opened, path);
        } finally {
          closeSync(opened);
        }
      } finally {
        directory.close();
      }
    } catch (cause) {
      this.reportError(path, cause, 'archival');
      return 'unread';
    }
  }

  /** A mount need not ask for what no entry has. */
  #countXattrs(xattrs: unknown): void {
    if (xattrs !== undefined) count(this.#init.counters, 'withXattrs');
  }

  /**
   * The entry as it stands in a directory, with the owners' names as this machine knows them. One that lacks its attributes gets no ctime:
   * the next backup then does not take it for what it finds.
   */
  #encode(name: Buffer, stat: FileStat, rest: Rest): Buffer {
    const isWhole = rest.xattrs !== 'unread';
    if (isWhole) this.#countXattrs(rest.xattrs);
    this.#encoder.reset();
    writeEntry(this.#encoder, {
      name,
      type: stat.type,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      user: this.#owners.userName(stat.uid),
      group: this.#owners.groupName(stat.gid),
      mtimeSeconds: stat.mtimeSeconds,
      mtimeNanoseconds: stat.mtimeNanoseconds,
      ctimeSeconds: isWhole ? stat.ctimeSeconds : 0,
      ctimeNanoseconds: isWhole ? stat.ctimeNanoseconds : 0,
      size: sizeOf(stat, rest),
      inode: stat.inode,
      device: stat.device,
      links: stat.links,
      content: rest.content,
      target: rest.target,
      rdev: rest.rdev,
      atime: this.#init.rules.withAtime ? stat.atime : undefined,
      btime: stat.btime,
      xattrs: rest.xattrs === 'unread' ? undefined : rest.xattrs,
      holes: rest.holes,
    });
    return Buffer.from(this.#encoder.view());
  }

  /** Tells which rule leaves a path out, for `--verbose`. */
  reportExcluded(path: Buffer, rule: string): void {
    if (this.#init.verbose) this.#reportItem(path, false, 'excluded', 0, { rule });
  }

  /** Tells what was done with a path, for `--verbose`. */
  #reportItem(
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

/** The path of a name in a directory, or of the directory itself. */
function pathIn(directory: Directory | Buffer, name: Buffer | undefined): Buffer {
  if (!(directory instanceof Directory)) return name === undefined ? directory : joinPath(directory, name);
  return name === undefined ? directory.path : directory.pathOf(name);
}

/** What was read counts, not what lstat said before: a file may grow, and links of /proc state no length. */
function sizeOf(stat: FileStat, { size, content, target }: Rest): number {
  if (stat.type !== 'file') return target?.length ?? 0;
  return size ?? content?.size ?? stat.size;
}

function layoutOfLarge({ layout, stat, stored }: LargeFile, size: number): Layout | undefined {
  if (layout === undefined) return undefined;
  const whole = Layout.decode(asBuffer(layout), stat.size, stored, 'layout');
  return size < stored ? whole.truncated(size) : whole;
}

/** Holes count as processed: they are a part of what the file is. */
const holeBytes = (layout: Layout | undefined): number => (layout === undefined ? 0 : layout.size - layout.stored);

function sameTime(a: readonly [Int64, number] | undefined, b: readonly [Int64, number] | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a[0] === b[0] && a[1] === b[1]);
}
