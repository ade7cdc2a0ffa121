// Counts the blobs that only one of two snapshots needs.
// The snapshots are compared in diff.ts.

import type { Buffer } from 'node:buffer';
import { isReference } from '../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import { locateBlob } from '../repository/reading/blob-reader.js';
import { splitIds } from '../repository/reading/content-stream.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';
import { BlobSet } from './blob-set.js';

/** What needs a blob: only the first snapshot, only the second, or an entry that is the same in both. */
export type Side = 'before' | 'after' | 'both';

export interface BlobCounts {
  dataBlobs: number;
  treeBlobs: number;
  /** Bytes before compression. */
  bytes: number;
}

/** Records which blobs each of two snapshots needs. */
export class BlobTally {
  readonly #index: BlobIndex;
  readonly #reader: TreeReader;
  readonly #sets: Record<Side, BlobSet>;

  constructor(index: BlobIndex, reader: TreeReader) {
    this.#index = index;
    this.#reader = reader;
    this.#sets = { before: new BlobSet(index), after: new BlobSet(index), both: new BlobSet(index) };
  }

  /** Whether a directory with a single blob was visited for both snapshots. Its contents were visited too then. */
  knows({ depth, ids }: ContentRef): boolean {
    return depth === 0 && ids.length === ID_BYTES && this.#sets.both.has(this.#index.find(ids));
  }

  /** Marks a directory's own blobs. @throws VarveError `damaged` when one is missing */
  async directory(side: Side, content: ContentRef): Promise<void> {
    await this.#mark(side, content, TREE);
  }

  /** Marks the blobs of an entry, but not those below a directory. Undefined when it need not wait. */
  entry(side: Side, { type, content, xattrs, holes }: EntryReader): Promise<void> | undefined {
    const references: [ContentRef, BlobKind][] = [];
    if (type === 'file' && content !== undefined) references.push([content, DATA]);
    for (const each of [xattrs, holes]) if (isReference(each)) references.push([each, TREE]);
    const long = references.filter(([{ depth }]) => depth === 1);
    for (const [{ depth, ids }, kind] of references) if (depth === 0) this.#markIds(side, ids, kind);
    return long.length === 0 ? undefined : this.#markAll(side, long);
  }

  async #markAll(side: Side, references: readonly [ContentRef, BlobKind][]): Promise<void> {
    for (const [content, kind] of references) await this.#mark(side, content, kind);
  }

  async #mark(side: Side, content: ContentRef, kind: BlobKind): Promise<void> {
    if (content.depth === 1) this.#markIds(side, content.ids, TREE);
    for await (const ids of this.#reader.lists(content)) this.#markIds(side, ids, kind);
  }

  #markIds(side: Side, ids: Buffer, kind: BlobKind): void {
    for (const id of splitIds(ids)) {
      locateBlob(this.#index, id, kind);
      this.#sets[side].add(this.#index.find(id));
    }
  }

  /** Counts the blobs that only one of the snapshots needs. */
  onlyIn(side: 'before' | 'after'): BlobCounts {
    const index = this.#index;
    const { before, after, both } = this.#sets;
    const counts: BlobCounts = { dataBlobs: 0, treeBlobs: 0, bytes: 0 };
    const only = side === 'before' ? before.without(after, both) : after.without(before, both);
    for (const blob of only) {
      if (index.packKind(index.packOf(index.locateFrame(blob))) === DATA) counts.dataBlobs++;
      else counts.treeBlobs++;
      counts.bytes += index.lengthOf(blob);
    }
    return counts;
  }
}
