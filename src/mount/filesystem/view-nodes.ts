// Nodes of the directories in which snapshots appear.
// Which snapshots there are is left to CurrentView, entries of snapshots to entries.ts.

import { Buffer } from 'node:buffer';
import { S_IFDIR, S_IFLNK } from '../protocol/abi.js';
import type { Attributes, Listing } from '../protocol/replies.js';
import type { ViewDirectory, ViewEntry } from '../view/snapshot-view.js';
import { viewAt } from '../view/snapshot-view.js';
import { type Owner, plainAttributes } from './attributes.js';
import type { Entries } from './entries.js';
import { DIRECTORY, VIEW } from './node-table.js';

/** "." and ".." come before the names of a directory. */
const DOTS = 2;
const ROOT = 1;

/** The directories in which snapshots appear. They change when snapshots are made and forgotten. */
export interface CurrentView {
  /** Seconds and nanoseconds since 1970 when it last changed. */
  readonly changed: readonly [number, number];
  current(): Promise<ViewDirectory>;
  /** Whether no snapshot has extended attributes. Once the kernel knows this, it never asks for any. */
  withoutXattrs(): boolean;
}

interface Known {
  /** Names from the root down. */
  readonly path: readonly string[];
  readonly entry: ViewEntry;
}

/** The nodes of the view and of the roots of snapshots. */
export class ViewNodes {
  readonly #entries: Entries;
  readonly #view: CurrentView;
  readonly #owner: Owner;
  readonly #known = new Map<number, Known>();
  /** The children of a directory when its current listing began, so that names do not shift under the reader. */
  readonly #listed = new Map<number, readonly [string, ViewEntry][]>();

  constructor(entries: Entries, view: CurrentView, owner: Owner) {
    this.#entries = entries;
    this.#view = view;
    this.#owner = owner;
    const root = entries.nodes.node(ROOT, -1, { low: 1, high: 0 }, VIEW | DIRECTORY);
    this.#known.set(root, { path: [], entry: { kind: 'directory', children: new Map() } });
  }

  drop(node: number): void {
    this.#known.delete(node);
    this.#listed.delete(node);
  }

  async child(parent: number, name: string): Promise<{ node: number; attributes: Attributes } | undefined> {
    const path = [...this.#pathOf(parent), name];
    const entry = viewAt(await this.#view.current(), path);
    if (entry === undefined) return undefined;
    const node = this.#nodeOf(parent, path, entry);
    return { node, attributes: this.#attributesOf(node, entry) };
  }

  /** Undefined for entries below the root of a snapshot. */
  attributes(node: number): Attributes | undefined {
    const stored = this.#entries.snapshotOf(node);
    if (stored !== undefined) return this.#attributesOf(node, { kind: 'snapshot', stored });
    const known = this.#known.get(node);
    return known && this.#attributesOf(node, known.entry);
  }

  /** The target of a link of the view. */
  target(node: number): Buffer | undefined {
    const entry = this.#known.get(node)?.entry;
    return entry?.kind === 'link' ? Buffer.from(entry.target, 'latin1') : undefined;
  }

  async list(node: number, from: number, listing: Listing): Promise<void> {
    const path = this.#pathOf(node);
    const listed = from === 0 ? undefined : this.#listed.get(node);
    const children = listed ?? childrenOf(viewAt(await this.#view.current(), path));
    this.#listed.set(node, children);
    for (const [at, [name, entry]] of children.slice(from).entries()) {
      const bytes = Buffer.from(name, 'latin1');
      if (!listing.fits(bytes.length)) return;
      // Without nodes: the kernel looks up those that it needs, and a listing of a million snapshots stays cheap.
      const attributes = plainAttributes(modeOf(entry), 0, [0, 0], this.#inodeOf(node, name, entry), this.#owner);
      listing.add({ name: bytes, next: from + at + 1 + DOTS, node: 0, seconds: 0, attributes });
    }
  }

  #pathOf(node: number): readonly string[] {
    return this.#known.get(node)?.path ?? [];
  }

  #nodeOf(parent: number, path: readonly string[], entry: ViewEntry): number {
    const inode = this.#inodeOf(parent, path[path.length - 1] as string, entry);
    if (entry.kind === 'snapshot') return this.#entries.rootNode(parent, inode, entry.stored);
    const node = this.#entries.nodes.node(parent, -1, inode, VIEW | (entry.kind === 'directory' ? DIRECTORY : 0));
    this.#known.set(node, { path, entry });
    return node;
  }

  /** The inode number. It changes when a name gets another snapshot, so that the kernel does not use what it cached. */
  #inodeOf(parent: number, name: string, entry: ViewEntry): { low: number; high: number } {
    const what = entry.kind === 'directory' ? '' : entry.stored.id;
    return this.#entries.numbers.named(
      this.#entries.nodes.inode(parent),
      Buffer.from(`${name}\0${entry.kind}${what}`, 'latin1'),
    );
  }

  #attributesOf(node: number, entry: ViewEntry): Attributes {
    const { seconds, nanoseconds } = entry.kind === 'directory' ? NO_TIME : entry.stored.snapshot.time;
    const time = entry.kind === 'directory' ? this.#view.changed : ([seconds, nanoseconds] as const);
    const size = entry.kind === 'link' ? entry.target.length : 0;
    return plainAttributes(modeOf(entry), size, time, this.#entries.nodes.inode(node), this.#owner);
  }
}

const NO_TIME = { seconds: 0, nanoseconds: 0 };

function modeOf({ kind }: ViewEntry): number {
  return kind === 'link' ? S_IFLNK | 0o777 : S_IFDIR | 0o555;
}

function childrenOf(entry: ViewEntry | undefined): [string, ViewEntry][] {
  if (entry?.kind !== 'directory') return [];
  return [...entry.children].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
