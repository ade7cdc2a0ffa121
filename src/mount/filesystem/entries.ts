import { Buffer } from 'node:buffer';
import { isReference } from '../../format/attachment.js';
import type { Entry } from '../../format/entry.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { type StoredSnapshot, shortId } from '../../repository/snapshots/snapshots.js';
import { Folder, Folders } from './folders.js';
import type { InodeNumber, InodeNumbers } from './inode-numbers.js';
import { FOLDER, LINKED, NodeTable, WITH_XATTRS } from './node-table.js';
import type { Source } from './source.js';

/** Bytes of entries that are kept. */
const KEPT = 1024 * 1024;

/** The folders and entries of snapshots, by their nodes. */
export class Entries {
  readonly nodes: NodeTable;
  readonly numbers: InodeNumbers;
  readonly #source: Source;
  readonly #folders = new Folders();
  /** Roots that the kernel knows. */
  readonly #snapshots = new Map<number, StoredSnapshot>();
  readonly #kept = new Map<number, Entry>();
  #keptBytes = 0;

  /** @param onFree is told of nodes that are gone */
  constructor(source: Source, numbers: InodeNumbers, onFree: (node: number) => void) {
    this.#source = source;
    this.numbers = numbers;
    this.nodes = new NodeTable((node) => {
      this.#folders.delete(node);
      this.#snapshots.delete(node);
      this.#drop(node);
      onFree(node);
    });
  }

  /** The node of a snapshot's root. */
  rootNode(parent: number, inode: InodeNumber, stored: StoredSnapshot): number {
    const node = this.nodes.node(parent, -1, inode, FOLDER);
    this.#snapshots.set(node, stored);
    return node;
  }

  snapshotOf(node: number): StoredSnapshot | undefined {
    return this.#snapshots.get(node);
  }

  /** The number of an entry's inode: one for all names of a file. */
  inodeOf(folder: number, entry: EntryReader): InodeNumber {
    if (!isLinked(entry)) return this.numbers.named(this.nodes.inode(folder), entry.name);
    return this.numbers.linked(this.nodes.inode(this.nodes.root(folder)), entry.device, entry.inode);
  }

  /** The node of an entry that begins at a place in its folder's stream. */
  entryNode(folder: number, entry: EntryReader, position: number, inode: InodeNumber): number {
    const flags =
      (entry.type === 'directory' ? FOLDER : 0) |
      (entry.xattrs === undefined ? 0 : WITH_XATTRS) |
      (isLinked(entry) ? LINKED : 0);
    return this.nodes.node(folder, position, inode, flags, this.nodes.root(folder));
  }

  async folder(node: number): Promise<Folder> {
    const known = this.#folders.get(node);
    if (known !== undefined) return known;
    const stored = this.#snapshots.get(node);
    const entry = stored === undefined ? await this.entry(node) : undefined;
    const content = stored?.snapshot.root ?? entry?.content;
    if (content === undefined) throw new Error('a folder has no content');
    const folder = await Folder.open(this.#source, content, await this.path(node));
    // Somebody else may have been quicker.
    const other = this.#folders.get(node);
    if (other !== undefined) return other;
    if (this.nodes.has(node)) this.#folders.set(node, folder);
    return folder;
  }

  /** The entry of a node that is no root, with memory of its own. */
  async entry(node: number): Promise<Entry> {
    const known = this.#kept.get(node);
    if (known !== undefined) {
      this.#kept.delete(node);
      this.#kept.set(node, known);
      return known;
    }
    const folder = await this.folder(this.nodes.parent(node));
    let found: Entry | undefined;
    await folder.at(this.nodes.position(node), (entry) => {
      found = entry.entry();
    });
    if (found === undefined) throw new Error('an entry is missing');
    if (this.nodes.has(node)) this.#keep(node, found);
    return found;
  }

  /** For errors: `SNAPSHOT:/path`, as `varve ls` takes it. */
  async path(node: number): Promise<string> {
    const names: string[] = [];
    let at = node;
    for (; !this.#snapshots.has(at) && at > 1; at = this.nodes.parent(at))
      names.unshift((await this.entry(at)).name.toString());
    const stored = this.#snapshots.get(at);
    return `${stored === undefined ? '' : shortId(stored.id)}:/${names.join('/')}`;
  }

  #keep(node: number, entry: Entry): void {
    this.#drop(node);
    this.#kept.set(node, entry);
    this.#keptBytes += weightOf(entry);
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= KEPT || oldest === node) break;
      this.#drop(oldest);
    }
  }

  #drop(node: number): void {
    const entry = this.#kept.get(node);
    if (entry === undefined) return;
    this.#kept.delete(node);
    this.#keptBytes -= weightOf(entry);
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
