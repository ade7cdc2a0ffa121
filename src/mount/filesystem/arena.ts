// Shared memory for decoded contents.
// What is in a region is left to contents.ts.

import { Buffer } from 'node:buffer';
import { sharedPages } from '../../bytes/pages.js';

/** A part of the arena. Its owner may use it until it is evicted. */
export interface Region {
  readonly bytes: Buffer;
  readonly start: number;
  /** Called when the memory is reused. */
  readonly onEvicted: () => void;
  /** A region that is being filled is not evicted. */
  filling: boolean;
}

/** A region takes at most this fraction of the arena. */
const MAX_SHARE = 4;
/** Regions begin at cache lines of the processor. */
const ALIGNMENT = 64;

/**
 * A ring buffer in shared memory for decoded contents. The oldest region is evicted first. The arena never grows, clears no
 * memory and does not fragment.
 */
export class Arena {
  readonly memory: SharedArrayBuffer;
  readonly #size: number;
  /** Oldest first: regions at or after the next position, then those before it. */
  readonly #regions = new Queue<Region>();
  #next = 0;

  /** @param size bytes of address space; pages take memory when they are first used */
  constructor(size: number) {
    this.memory = sharedPages(size);
    this.#size = size;
  }

  /** Allocates a region. Undefined when it is too large, or everything is being filled. */
  take(length: number, onEvicted: () => void): Region | undefined {
    const needed = Math.ceil(length / ALIGNMENT) * ALIGNMENT;
    if (needed > this.#size / MAX_SHARE) return undefined;
    for (let passed = 0; passed <= 2 * this.#size; ) {
      if (this.#next + needed > this.#size) {
        passed += this.#size - this.#next;
        this.#clear(this.#size, true);
        this.#next = 0;
      }
      const blocked = this.#clear(this.#next + needed, false);
      if (blocked === undefined) {
        const bytes = Buffer.from(this.memory, this.#next, length);
        const region = { bytes, start: this.#next, onEvicted, filling: true };
        this.#regions.push(region);
        this.#next += needed;
        return region;
      }
      passed += blocked - this.#next;
      this.#next = blocked;
    }
    return undefined;
  }

  /**
   * Evicts the regions between the next position and an end.
   *
   * @param past whether to skip regions that are being filled
   * @returns the end of the first such region, unless they are skipped
   */
  #clear(end: number, past: boolean): number | undefined {
    for (let region = this.#regions.first; region !== undefined; region = this.#regions.first) {
      if (region.start < this.#next || region.start >= end) return undefined;
      this.#regions.shift();
      if (region.filling) {
        this.#regions.push(region);
        if (!past) return Math.ceil((region.start + region.bytes.length) / ALIGNMENT) * ALIGNMENT;
      } else region.onEvicted();
    }
    return undefined;
  }
}

/** First in, first out. */
class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#items[this.#head++] = undefined;
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
