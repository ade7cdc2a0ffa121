import { Buffer } from 'node:buffer';
import { isReference } from '../../format/attachment.js';
import type { Entry } from '../../format/entry.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { type StoredSnapshot, shortId } from '../../repository/snapshots/snapshots.js';
import { Directory } from './directories.js';
import type { InodeNumber, InodeNumbers } from './inode-numbers.js';
import type { LiveRepository } from './live-repository.js';
import { LruCache } from './lru-cache.js';
import { DIRECTORY, LINKED, NodeTable, WITH_XATTRS } from './node-table.js';

/** Bytes of entries to cache. */
const ENTRY_BYTES = 1024 * 1024;
/** Limits of the cache of directories: bytes, and number. */
const DIRECTORY_BYTES = 8 * 1024 * 1024;
const MAX_DIRECTORIES = 500;

/** Directories and entries of snapshots by their nodes. */
export class Entries {
  readonly nodes: NodeTable;
  readonly numbers: InodeNumbers;
  readonly #repository: LiveRepository;
  readonly #directories = new LruCache<number, Directory>({
    maxWeight: DIRECTORY_BYTES,
    maxEntries: MAX_DIRECTORIES,
    weigh: ({ weight }) => weight,
  });
  /** Snapshots by the nodes of their roots. */
  readonly #snapshots = new Map<number, StoredSnapshot>();
  readonly #cache = new LruCache<number, Entry>({ maxWeight: ENTRY_BYTES, weigh: weightOf });

  /** @param onFree called with nodes that the kernel has forgotten */
  constructor(repository: LiveRepository, numbers: InodeNumbers, onFree: (node: number) => void) {
    this.#repository = repository;
    this.numbers = numbers;
    this.nodes = new NodeTable((node) => {
      this.#directories.delete(node);
      this.#snapshots.delete(node);
      this.#cache.delete(node);
      onFree(node);
    });
  }

  /** The node of a snapshot's root directory. */
  rootNode(parent: number, inode: InodeNumber, stored: StoredSnapshot): number {
    const node = this.nodes.node(parent, -1, inode, DIRECTORY);
    this.#snapshots.set(node, stored);
    return node;
  }

  snapshotOf(node: number): StoredSnapshot | undefined {
    return this.#snapshots.get(node);
  }

  /** The inode number of an entry. All names of a hard-linked file share one. */
  inodeOf(directory: number, entry: EntryReader): InodeNumber {
    if (!isLinked(entry)) return this.numbers.named(this.nodes.inode(directory), entry.name);
    return this.numbers.linked(this.nodes.inode(this.nodes.root(directory)), entry.device, entry.inode);
  }

  /** The node of an entry that begins at a position in its directory's stream. */
  entryNode(directory: number, entry: EntryReader, position: number, inode: InodeNumber): number {
    const flags =
      (entry.type === 'directory' ? DIRECTORY : 0) |
      (entry.xattrs === undefined ? 0 : WITH_XATTRS) |
      (isLinked(entry) ? LINKED : 0);
    return this.nodes.node(directory, position, inode, flags, this.nodes.root(directory));
  }

  async directory(node: number): Promise<Directory> {
    const known = this.#directories.get(node);
    if (known !== undefined) return known;
    const stored = this.#snapshots.get(node);
    const entry = stored === undefined ? await this.entry(node) : undefined;
    const content = stored?.snapshot.root ?? entry?.content;
    if (content === undefined) throw new Error('a directory has no content');
    const directory = await Directory.open(this.#repository, content, await this.path(node));
    // Another request may have been faster.
    const other = this.#directories.get(node);
    if (other !== undefined) return other;
    if (this.nodes.has(node)) this.#directories.set(node, directory);
    return directory;
  }

  /** The entry of a node other than a root, as a copy. */
  async entry(node: number): Promise<Entry> {
    const known = this.#cache.get(node);
    if (known !== undefined) return known;
    const directory = await this.directory(this.nodes.parent(node));
    let found: Entry | undefined;
    await directory.at(this.nodes.position(node), (entry) => {
      found = entry.entry();
    });
    if (found === undefined) throw new Error('an entry is missing');
    if (this.nodes.has(node)) this.#cache.set(node, found);
    return found;
  }

  /** The path to show in errors: `SNAPSHOT:/path`, as `varve ls` takes it. */
  async path(node: number): Promise<string> {
    const names: string[] = [];
    let at = node;
    for (; !this.#snapshots.has(at) && at > 1; at = this.nodes.parent(at))
      names.unshift((await this.entry(at)).name.toString());
    const stored = this.#snapshots.get(at);
    return `${stored === undefined ? '' : shortId(stored.id)}:/${names.join('/')}`;
  }
}

function isLinked({ links, type }: EntryReader): boolean {
  return links > 1 && type !== 'directory';
}

function weightOf({ name, content, target, xattrs, holes }: Entry): number {
  const attached = [xattrs, holes].map((each) => (Buffer.isBuffer(each) ? each.length : isReference(each) ? 100 : 0));
  return attached.reduce(
    (sum, each) => sum + each,
    700 + name.length + (content?.ids.length ?? 0) + (target?.length ?? 0),
  );
}
