// The table of nodes that the kernel knows.
// What a node shows is read again in entries.ts and view-nodes.ts.

import type { InodeNumber } from './inode-numbers.js';

const NONE = 0xffff_ffff;

/** A node of the view, not of a snapshot. */
export const VIEW = 1;
/** An entry that has extended attributes. */
export const WITH_XATTRS = 2;
export const DIRECTORY = 4;
/** A hard-linked file. Its inode number alone identifies it. */
export const LINKED = 8;

/**
 * The nodes that the kernel knows, stored in columns: some 45 bytes each, because there may be a million. A node stores its
 * directory and its position in the directory's stream; the rest is read again when it is needed. A node is kept while the
 * kernel or a child refers to it. Numbers begin at 1, the root.
 */
export class NodeTable {
  #capacity = 1024;
  #parents = new Uint32Array(this.#capacity);
  #roots = new Uint32Array(this.#capacity);
  #positions = new Float64Array(this.#capacity);
  #lows = new Uint32Array(this.#capacity);
  #highs = new Uint32Array(this.#capacity);
  #lookups = new Uint32Array(this.#capacity);
  #children = new Uint32Array(this.#capacity);
  #flags = new Uint8Array(this.#capacity);
  /** The next node in the same hash bucket, or the next free one. */
  #nexts = new Uint32Array(this.#capacity).fill(NONE);
  #buckets = new Uint32Array(2048).fill(NONE);
  #used = 1;
  #free = NONE;
  #count = 0;
  readonly #onFree: (node: number) => void;

  /** @param onFree called with nodes that are removed */
  constructor(onFree: (node: number) => void) {
    this.#onFree = onFree;
  }

  get count(): number {
    return this.#count;
  }

  has(node: number): boolean {
    return node > 0 && node < this.#used && this.#parents[node] !== NONE;
  }

  parent(node: number): number {
    return this.#parents[node] as number;
  }

  /** The root of the snapshot that contains the node. */
  root(node: number): number {
    return this.#roots[node] as number;
  }

  position(node: number): number {
    return this.#positions[node] as number;
  }

  inode(node: number): InodeNumber {
    return { low: this.#lows[node] as number, high: this.#highs[node] as number };
  }

  is(node: number, flag: number): boolean {
    return ((this.#flags[node] as number) & flag) !== 0;
  }

  /**
   * Finds or adds the node of an entry. Does not count a lookup: see `countLookup`.
   *
   * @param position where the entry begins in its directory's stream; -1 for nodes that are not entries
   * @param root undefined for a root itself
   */
  node(parent: number, position: number, { low, high }: InodeNumber, flags: number, root?: number): number {
    const bucket = this.#bucket(low, high);
    for (let node = this.#buckets[bucket] as number; node !== NONE; node = this.#nexts[node] as number) {
      if (this.#lows[node] !== low || this.#highs[node] !== high) continue;
      const same = this.#parents[node] === parent && this.#positions[node] === position;
      if (same || ((flags & LINKED) !== 0 && this.#flags[node] === flags && this.#roots[node] === root)) return node;
    }
    return this.#insert(parent, position, low, high, flags, root);
  }

  /** Counts one more reference of the kernel. */
  countLookup(node: number): void {
    this.#lookups[node] = (this.#lookups[node] as number) + 1;
  }

  /** Subtracts references of the kernel. */
  forget(node: number, lookups: number): void {
    if (!this.has(node)) return;
    this.#lookups[node] = Math.max(0, (this.#lookups[node] as number) - lookups);
    this.#sweep(node);
  }

  /** Removes a node that was added but not reported to the kernel. */
  release(node: number): void {
    this.#sweep(node);
  }

  #sweep(from: number): void {
    for (let node = from; node > 1 && this.#lookups[node] === 0 && this.#children[node] === 0; ) {
      const parent = this.#parents[node] as number;
      this.#remove(node);
      this.#children[parent] = (this.#children[parent] as number) - 1;
      node = parent;
    }
  }

  #insert(parent: number, position: number, low: number, high: number, flags: number, root?: number): number {
    const node = this.#allocate();
    this.#parents[node] = parent;
    this.#roots[node] = root ?? node;
    this.#positions[node] = position;
    this.#lows[node] = low;
    this.#highs[node] = high;
    this.#lookups[node] = 0;
    this.#children[node] = 0;
    this.#flags[node] = flags;
    if (parent !== node) this.#children[parent] = (this.#children[parent] as number) + 1;
    this.#count++;
    this.#link(node);
    if (this.#count > this.#buckets.length) this.#rehash();
    return node;
  }

  #remove(node: number): void {
    const bucket = this.#bucket(this.#lows[node] as number, this.#highs[node] as number);
    const next = this.#nexts[node] as number;
    if (this.#buckets[bucket] === node) this.#buckets[bucket] = next;
    else {
      let before = this.#buckets[bucket] as number;
      while (this.#nexts[before] !== node) before = this.#nexts[before] as number;
      this.#nexts[before] = next;
    }
    this.#parents[node] = NONE;
    this.#nexts[node] = this.#free;
    this.#free = node;
    this.#count--;
    this.#onFree(node);
  }

  #allocate(): number {
    if (this.#free !== NONE) {
      const node = this.#free;
      this.#free = this.#nexts[node] as number;
      return node;
    }
    if (this.#used === this.#capacity) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    this.#capacity *= 2;
    const larger = <T extends Uint32Array | Uint8Array | Float64Array>(make: new (length: number) => T, old: T): T => {
      const column = new make(this.#capacity);
      column.set(old);
      return column;
    };
    this.#parents = larger(Uint32Array, this.#parents);
    this.#roots = larger(Uint32Array, this.#roots);
    this.#positions = larger(Float64Array, this.#positions);
    this.#lows = larger(Uint32Array, this.#lows);
    this.#highs = larger(Uint32Array, this.#highs);
    this.#lookups = larger(Uint32Array, this.#lookups);
    this.#children = larger(Uint32Array, this.#children);
    this.#flags = larger(Uint8Array, this.#flags);
    this.#nexts = larger(Uint32Array, this.#nexts);
  }

  #rehash(): void {
    this.#buckets = new Uint32Array(this.#buckets.length * 2).fill(NONE);
    for (let node = 1; node < this.#used; node++) if (this.#parents[node] !== NONE) this.#link(node);
  }

  #link(node: number): void {
    const bucket = this.#bucket(this.#lows[node] as number, this.#highs[node] as number);
    this.#nexts[node] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = node;
  }

  #bucket(low: number, high: number): number {
    return (low ^ Math.imul(high, 0x9e37_79b1)) & (this.#buckets.length - 1);
  }
}
