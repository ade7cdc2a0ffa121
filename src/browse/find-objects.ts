// Finds the files and directories that need a blob, a tree or a pack.
// Walking the snapshots is left to search.ts.

import type { Buffer } from 'node:buffer';
import { isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { splitIds } from '../repository/reading/content-stream.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';
import { type BlobFilter, BlobsOfPacks, IdPrefixes } from './blob-names.js';
import type { Finder, Found } from './search.js';
import { treeId } from './tree-id.js';

/** Ids, or prefixes of ids, all of one kind. */
export interface ObjectNames {
  readonly kind: 'blob' | 'tree' | 'pack';
  readonly ids: readonly string[];
}

export interface FoundObject {
  readonly kind: 'blob' | 'tree';
  /** Hexadecimal digits. */
  readonly id: string;
  /** The path that needs the object. */
  readonly path: Buffer;
  /** Blobs only: the id of the tree that lists the file. */
  readonly parentTree: string | undefined;
}

const NOTHING: Found<FoundObject> = { hits: [], below: true };

/** Finds the paths that need certain blobs or trees, or anything in certain packs. Reports each blob once for each path. */
export class ObjectFinder implements Finder<FoundObject> {
  readonly #reader: TreeReader;
  /** Blobs of files and attachments to find. */
  readonly #blobs: BlobFilter | undefined;
  /** Blobs of directories to find. */
  readonly #trees: BlobFilter | undefined;
  /** Tree ids to find. A directory with several blobs has one besides the ids of its blobs. */
  readonly #treeIds: IdPrefixes | undefined;

  /** @throws VarveError `not-found` when a pack is not in the index */
  constructor({ index }: IndexedRepository, reader: TreeReader, { kind, ids }: ObjectNames) {
    this.#reader = reader;
    const names = kind === 'pack' ? new BlobsOfPacks(index, ids) : new IdPrefixes(ids);
    this.#blobs = kind === 'tree' ? undefined : names;
    this.#trees = kind === 'blob' ? undefined : names;
    this.#treeIds = kind === 'tree' ? new IdPrefixes(ids) : undefined;
  }

  async directory(path: Buffer, content: ContentRef): Promise<readonly FoundObject[]> {
    const ids = new Set<string>();
    const whole = treeId(content);
    if (this.#treeIds?.matches(whole) === true) ids.add(whole);
    else if (this.#trees !== undefined) await this.#match(this.#trees, content, ids);
    return [...ids].map((id) => ({ kind: 'tree', id, path, parentTree: undefined }));
  }

  async look(path: Buffer, entry: EntryReader, parent: ContentRef): Promise<Found<FoundObject>> {
    const { type, content, xattrs, holes } = entry;
    if (this.#blobs === undefined) return NOTHING;
    const ids = new Set<string>();
    if (type === 'file' && content !== undefined) await this.#match(this.#blobs, content, ids);
    for (const each of [xattrs, holes]) if (isReference(each)) await this.#match(this.#blobs, each, ids);
    if (ids.size === 0) return NOTHING;
    const parentTree = treeId(parent);
    return { hits: [...ids].map((id) => ({ kind: 'blob', id, path, parentTree })), below: true };
  }

  /** Collects the ids of a stream's blobs, and of its list of blobs, that match. */
  async #match(names: BlobFilter, content: ContentRef, found: Set<string>): Promise<void> {
    if (content.depth === 1) addMatching(names, content.ids, found);
    for await (const ids of this.#reader.lists(content)) addMatching(names, ids, found);
  }
}

function addMatching(names: BlobFilter, ids: Buffer, found: Set<string>): void {
  for (const id of splitIds(ids)) if (names.has(id)) found.add(id.toString('hex'));
}
