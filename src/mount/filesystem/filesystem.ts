// Answers the kernel's requests for files and directories of snapshots.
// Encoding is left to ../protocol/, reading contents to file.ts, directories to directories.ts and view-nodes.ts.

import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { decodeXattrs, type Xattr } from '../../format/xattrs.js';
import {
  EACCES,
  EINVAL,
  EIO,
  ENAMETOOLONG,
  ENODATA,
  ENOENT,
  ENOSYS,
  ENOTDIR,
  ENXIO,
  ERANGE,
  NAME_MAX,
  S_IFDIR,
  SEEK_DATA,
  SEEK_HOLE,
} from '../protocol/abi.js';
import {
  type Attributes,
  absentReply,
  attributesReply,
  entryReply,
  Listing,
  seekReply,
  statxReply,
  xattrSizeReply,
} from '../protocol/replies.js';
import type { ReadRequest, SeekRequest } from '../protocol/requests.js';
import type { Answer, Handlers, Pending, Views } from '../protocol/session.js';
import { attributesOf, type Owner, plainAttributes } from './attributes.js';
import { Contents } from './contents.js';
import { Entries } from './entries.js';
import { OpenFile, retryWhenOutdated } from './file.js';
import { InodeNumbers } from './inode-numbers.js';
import type { LiveRepository } from './live-repository.js';
import { LruCache } from './lru-cache.js';
import { DIRECTORY, VIEW, WITH_XATTRS } from './node-table.js';
import { type CurrentView, ViewNodes } from './view-nodes.js';

/** Seconds for which the kernel may cache what is in a snapshot: it never changes. */
const FOREVER = 86_400;
/** Seconds for which the kernel may cache the directories of snapshots, which change. */
const VIEW_SECONDS = 1;
/** Limits of the cache of open files: bytes, and number. */
const OPEN_FILE_BYTES = 16 * 1024 * 1024;
const OPEN_FILES = 128;
/** Directories whose last listing's end is remembered. */
const LISTINGS = 500;
/** Messages that are remembered, so that each is reported once. */
const MAX_REPORTED = 1000;
/** "." and ".." come before a directory's entries. */
const DOTS = 2;

export interface FilesystemOptions {
  readonly repository: LiveRepository;
  readonly view: CurrentView;
  /** Bytes of decoded contents to keep in memory. */
  readonly cacheSize: number;
  /** The owner of the directories in which snapshots appear. */
  readonly viewOwner: Owner;
  /** The owner of everything in snapshots; undefined for the owners that the snapshots name. */
  readonly owner: Owner | undefined;
  /** The seed of the inode numbers. */
  readonly seed: readonly [number, number];
  readonly onError: (message: string) => void;
  readonly onInitialized: () => void;
}

/** The file system of snapshots. */
export class SnapshotFilesystem implements Handlers {
  readonly #options: FilesystemOptions;
  readonly #contents: Contents;
  readonly #entries: Entries;
  readonly #views: ViewNodes;
  readonly #files = new LruCache<number, OpenFile>({
    maxWeight: OPEN_FILE_BYTES,
    maxEntries: OPEN_FILES,
    weigh: ({ weight }) => weight,
  });
  /** The offset at which a directory's last listing ended. The next one usually continues there, so it needs no check. */
  readonly #next = new LruCache<number, number>({ maxEntries: LISTINGS });
  readonly #reported = new Set<string>();

  constructor(options: FilesystemOptions) {
    this.#options = options;
    this.#contents = new Contents(options.repository, options.cacheSize);
    this.#entries = new Entries(options.repository, new InodeNumbers(options.seed), (node) => {
      this.#views.drop(node);
      this.#files.delete(node);
      this.#next.delete(node);
    });
    this.#views = new ViewNodes(this.#entries, options.view, options.viewOwner);
  }

  initialized(): void {
    this.#options.onInitialized();
  }

  close(): Promise<void> {
    return this.#contents.close();
  }

  lookup(parent: number, name: Buffer): Pending {
    if (name.length > NAME_MAX) return ENAMETOOLONG;
    if (!this.#entries.nodes.is(parent, DIRECTORY)) return ENOTDIR;
    return this.#guarded(parent, async () => {
      if (this.#entries.nodes.is(parent, VIEW)) return this.#lookupView(parent, name);
      const directory = await this.#entries.directory(parent);
      let found: Answer | undefined;
      await directory.find(name, (entry, start) => {
        const inode = this.#entries.inodeOf(parent, entry);
        const node = this.#entries.entryNode(parent, entry, start, inode);
        this.#entries.nodes.countLookup(node);
        found = entryReply(node, FOREVER, attributesOf(entry, inode, this.#options.owner));
      });
      return found ?? absentReply(FOREVER);
    });
  }

  forget(node: number, lookups: number): void {
    this.#entries.nodes.forget(node, lookups);
  }

  attributes(node: number, withBirthTime: boolean): Pending {
    return this.#guarded(node, async () => {
      const { seconds, attributes } = await this.#attributes(node);
      return withBirthTime ? statxReply(seconds, attributes) : attributesReply(seconds, attributes);
    });
  }

  readlink(node: number): Pending {
    const target = this.#views.target(node);
    if (target !== undefined) return target;
    return this.#guarded(node, async () => (await this.#entries.entry(node)).target ?? EINVAL);
  }

  read(node: number, { offset, size }: ReadRequest, alone: boolean): Pending {
    const known = this.#knownFile(node);
    try {
      const bytes = known?.readNow(offset, size, alone);
      if (bytes !== undefined) {
        known?.prefetchAhead(offset, size);
        return bytes;
      }
    } catch (cause) {
      return this.#failed(node, cause);
    }
    return this.#guarded(node, () => retryWhenOutdated(() => this.#readLater(node, offset, size, alone)));
  }

  seek(node: number, { offset, whence }: SeekRequest): Pending {
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return EINVAL;
    return this.#guarded(node, async () => {
      const { size, layout } = await this.#file(node);
      if (offset >= size) return ENXIO;
      if (layout === undefined) return seekReply(whence === SEEK_DATA ? offset : size);
      const data = layout.dataFrom(offset);
      if (whence === SEEK_DATA) return data === undefined ? ENXIO : seekReply(data);
      return seekReply(data === offset ? Math.min(size, layout.holeFrom(offset)) : offset);
    });
  }

  readDirectory(node: number, { offset, size }: ReadRequest, plus: boolean): Pending {
    const { nodes } = this.#entries;
    if (!nodes.is(node, DIRECTORY)) return ENOTDIR;
    const listing = new Listing(size, plus);
    return this.#guarded(node, async () => {
      const from = this.#listDots(node, listing, offset);
      if (from === undefined) return listing.bytes;
      if (nodes.is(node, VIEW)) await this.#views.list(node, from, listing);
      else if (!(await this.#listEntries(node, from, listing, plus))) return EINVAL;
      return listing.bytes;
    });
  }

  xattr(node: number, name: Buffer, size: number): Pending {
    if (!this.#entries.nodes.is(node, WITH_XATTRS)) return this.#options.view.withoutXattrs() ? ENOSYS : ENODATA;
    return this.#guarded(node, async () => {
      const found = (await this.#xattrs(node)).find((each) => each.name.equals(name));
      return found === undefined ? ENODATA : sized(found.value, size);
    });
  }

  xattrNames(node: number, size: number): Pending {
    if (!this.#entries.nodes.is(node, WITH_XATTRS))
      return this.#options.view.withoutXattrs() ? ENOSYS : sized(Buffer.alloc(0), size);
    return this.#guarded(node, async () => {
      const names = (await this.#xattrs(node)).flatMap(({ name }) => [name, Buffer.alloc(1)]);
      return sized(Buffer.concat(names), size);
    });
  }

  async #lookupView(parent: number, name: Buffer): Promise<Answer> {
    const child = await this.#views.child(parent, name.toString('latin1'));
    if (child === undefined) return ENOENT;
    this.#entries.nodes.countLookup(child.node);
    return entryReply(child.node, VIEW_SECONDS, child.attributes);
  }

  async #attributes(node: number): Promise<{ seconds: number; attributes: Attributes }> {
    const { nodes } = this.#entries;
    const view = this.#views.attributes(node);
    if (view !== undefined) return { seconds: VIEW_SECONDS, attributes: view };
    const entry = await this.#entries.entry(node);
    return { seconds: FOREVER, attributes: attributesOf(entry, nodes.inode(node), this.#options.owner) };
  }

  async #readLater(node: number, offset: number, size: number, alone: boolean): Promise<Views> {
    const file = await this.#file(node);
    const there = file.readNow(offset, size, alone) !== undefined;
    file.prefetchAhead(offset, size);
    if (!there) await file.load(offset, size);
    const again = (): Promise<Answer> =>
      this.#guarded(node, () => retryWhenOutdated(() => this.#copied(node, offset, size)));
    return () =>
      (file.isOf(this.#options.repository.generation) ? file.readNow(offset, size, false) : undefined) ?? again();
  }

  /** Reads a copy, for a read so large that its first blobs are evicted before its last are decoded. */
  async #copied(node: number, offset: number, size: number): Promise<Answer> {
    return (await this.#file(node)).read(offset, size);
  }

  #knownFile(node: number): OpenFile | undefined {
    const file = this.#files.get(node);
    return file?.isOf(this.#options.repository.generation) ? file : undefined;
  }

  async #file(node: number): Promise<OpenFile> {
    const known = this.#knownFile(node);
    if (known !== undefined) return known;
    const entry = await this.#entries.entry(node);
    const file = await OpenFile.open(this.#options.repository, this.#contents, entry, entry.name.toString());
    const other = this.#knownFile(node);
    if (other !== undefined) return other;
    this.#files.set(node, file);
    return file;
  }

  /** @returns the offset of the entry after the dots; undefined when the buffer is full */
  #listDots(node: number, listing: Listing, offset: number): number | undefined {
    for (let at = offset; at < DOTS; at++) {
      const name = Buffer.from(at === 0 ? '.' : '..');
      if (!listing.fits(name.length)) return undefined;
      const { nodes } = this.#entries;
      const inode = nodes.inode(at === 0 ? node : nodes.parent(node));
      const attributes = plainAttributes(S_IFDIR, 0, [0, 0], inode, this.#options.viewOwner);
      listing.add({ name, next: at + 1, node: 0, seconds: 0, attributes });
    }
    return Math.max(0, offset - DOTS);
  }

  /** @returns false when no entry begins at `from` */
  async #listEntries(node: number, from: number, listing: Listing, plus: boolean): Promise<boolean> {
    const directory = await this.#entries.directory(node);
    if (from !== this.#next.get(node) && !(await directory.isEntryStart(from))) return false;
    let next = from;
    const list = (entry: EntryReader, start: number, end: number): boolean => {
      const { name } = entry;
      if (name.length > NAME_MAX) {
        this.#report(`${directory.path}: a name of ${name.length} bytes is left out: Linux allows at most ${NAME_MAX}`);
        return true;
      }
      if (!listing.fits(name.length)) return false;
      const inode = this.#entries.inodeOf(node, entry);
      const child = plus ? this.#entries.entryNode(node, entry, start, inode) : 0;
      if (plus) this.#entries.nodes.countLookup(child);
      const attributes = attributesOf(entry, inode, this.#options.owner);
      listing.add({ name, next: end + DOTS, node: child, seconds: FOREVER, attributes });
      next = end;
      return true;
    };
    await directory.scan(from, list, ({ name, error }) => {
      const which = name === undefined ? '' : ` (${JSON.stringify(name.toString())})`;
      this.#report(`an entry is left out: ${error.message}${which}`);
    });
    this.#next.set(node, next);
    return true;
  }

  async #xattrs(node: number): Promise<Xattr[]> {
    const { xattrs, name } = await this.#entries.entry(node);
    if (xattrs === undefined) return [];
    const { repository } = this.#options;
    return decodeXattrs(await repository.retryWithNewIndex(() => repository.trees.attachment(xattrs)), name.toString());
  }

  async #guarded<Result extends Answer | Views>(node: number, action: () => Promise<Result>): Promise<Result | number> {
    try {
      return await action();
    } catch (cause) {
      return this.#failed(node, cause);
    }
  }

  /** Reports the error with the path, if the path can be found. @returns the errno */
  #failed(node: number, cause: unknown): number {
    const error = VarveError.from(cause);
    if (error.code === 'interrupted') return EIO;
    this.#pathOf(node).then(
      (path) => this.#report(error.message.startsWith(path) ? error.message : `${path}: ${error.message}`),
      () => this.#report(error.message),
    );
    return error.code === 'role' ? EACCES : EIO;
  }

  async #pathOf(node: number): Promise<string> {
    return this.#entries.nodes.is(node, VIEW) ? 'the list of snapshots' : this.#entries.path(node);
  }

  #report(message: string): void {
    if (this.#reported.has(message)) return;
    if (this.#reported.size >= MAX_REPORTED) this.#reported.clear();
    this.#reported.add(message);
    this.#options.onError(message);
  }
}

/** The reply to a request for an attribute: its length when `size` is 0, otherwise its value. */
function sized(value: Buffer, size: number): Answer {
  if (size === 0) return xattrSizeReply(value.length);
  return value.length > size ? ERANGE : value;
}
