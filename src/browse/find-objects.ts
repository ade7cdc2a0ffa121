import type { Buffer } from 'node:buffer';
import { isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { splitIds } from '../repository/reading/content-stream.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';
import { type BlobNames, BlobsOfPacks, IdBeginnings } from './blob-names.js';
import type { Finder, Found } from './search.js';
import { treeId } from './tree-id.js';

/** Ids or beginnings of ids, all of one kind. */
export interface ObjectNames {
  readonly kind: 'blob' | 'tree' | 'pack';
  readonly ids: readonly string[];
}

export interface FoundObject {
  readonly kind: 'blob' | 'tree';
  /** Hexadecimal. */
  readonly id: string;
  /** What needs it. */
  readonly path: Buffer;
  /** Id of the tree that the file is in; of blobs only. */
  readonly parentTree: string | undefined;
}

const NOTHING: Found<FoundObject> = { hits: [], below: true };

/** Finds what needs a blob, a tree, or what is in a pack: each blob once for each path. */
export class ObjectFinder implements Finder<FoundObject> {
  readonly #reader: TreeReader;
  /** Blobs of files and of attachments. */
  readonly #blobs: BlobNames | undefined;
  /** Blobs of directories. */
  readonly #trees: BlobNames | undefined;
  /** Directories by the id of the whole, which they have besides when they have several blobs. */
  readonly #treeIds: IdBeginnings | undefined;

  /** @throws VarveError `not-found` for a pack */
  constructor({ index }: IndexedRepository, reader: TreeReader, { kind, ids }: ObjectNames) {
    this.#reader = reader;
    const names = kind === 'pack' ? new BlobsOfPacks(index, ids) : new IdBeginnings(ids);
    this.#blobs = kind === 'tree' ? undefined : names;
    this.#trees = kind === 'blob' ? undefined : names;
    this.#treeIds = kind === 'tree' ? new IdBeginnings(ids) : undefined;
  }

  async directory(path: Buffer, content: ContentRef): Promise<readonly FoundObject[]> {
    const ids = new Set<string>();
    const whole = treeId(content);
    if (this.#treeIds?.begins(whole) === true) ids.add(whole);
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

  /** Adds those of a stream's blobs, and of the list of them, that are looked for. */
  async #match(names: BlobNames, content: ContentRef, found: Set<string>): Promise<void> {
    if (content.depth === 1) addMatching(names, content.ids, found);
    for await (const ids of this.#reader.lists(content)) addMatching(names, ids, found);
  }
}

function addMatching(names: BlobNames, ids: Buffer, found: Set<string>): void {
  for (const id of splitIds(ids)) if (names.has(id)) found.add(id.toString('hex'));
}
