// Remembers which directories a check has visited.
// trees.ts walks them.
import { createHash } from 'node:crypto';
import type { ContentRef } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from '../repository/index/blob-index.js';

const KEY_BYTES = 16;

/** A key that identifies a directory. */
export function directoryKey({ size, depth, ids }: ContentRef): string {
  return createHash('sha256').update(`${size} ${depth} `).update(ids).digest().toString('latin1', 0, KEY_BYTES);
}

/**
 * The visited directories. A directory in a single blob, as most are, takes a bit of a map over all blobs, so that a million of them take
 * little memory; others take a hash.
 */
export class DirectoryMemo {
  readonly #index: BlobIndex;
  readonly #bits: Uint8Array;
  readonly #others = new Set<string>();

  constructor(index: BlobIndex) {
    this.#index = index;
    this.#bits = new Uint8Array(Math.ceil(index.size / 8));
  }

  has(directory: ContentRef): boolean {
    const blob = this.#only(directory);
    if (blob < 0) return this.#others.has(directoryKey(directory));
    return (((this.#bits[blob >>> 3] as number) >>> (blob & 7)) & 1) === 1;
  }

  add(directory: ContentRef): void {
    const blob = this.#only(directory);
    if (blob < 0) this.#others.add(directoryKey(directory));
    else this.#bits[blob >>> 3] = (this.#bits[blob >>> 3] as number) | (1 << (blob & 7));
  }

  /** The only blob of the directory, or -1. */
  #only({ size, depth, ids }: ContentRef): number {
    if (depth !== 0 || ids.length !== ID_BYTES) return -1;
    const blob = this.#index.find(ids);
    return blob >= 0 && this.#index.lengthOf(blob) === size ? blob : -1;
  }
}
