// Cuts streams of kind tree, many at a time with one chunker.
// Storing the blobs is left to the caller.
import { Buffer } from 'node:buffer';
import type { Chunker } from '../../chunking/chunker.js';
import type { ContentRef } from '../../format/content.js';

const FIRST_BYTES = 4096;
/** Size of a chunker's memory, and of the bytes that wait to be cut, in multiples of the largest chunk. */
export const WINDOW = 4;

/**
 * Cuts one stream of kind tree. Many streams can be open and share a chunker, because a cut depends only on the next bytes of its stream.
 * Each holds the bytes that are not cut yet, and the ids of its blobs.
 */
export class TreeStream {
  readonly #chunker: Chunker;
  readonly #store: (blob: Buffer) => Buffer;
  readonly #ids: Buffer[] = [];
  #waiting: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #filled = 0;
  #size = 0;

  /** @param store stores a blob and returns its id. The blob's buffer is reused afterwards */
  constructor(chunker: Chunker, store: (blob: Buffer) => Buffer) {
    this.#chunker = chunker;
    this.#store = store;
  }

  write(bytes: Uint8Array): void {
    const capacity = WINDOW * this.#chunker.sizes.max;
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(capacity - this.#filled, bytes.length - at);
      this.#grow(this.#filled + count);
      this.#waiting.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === capacity) this.#cut(false);
    }
    this.#size += bytes.length;
  }

  /** Ends the stream. @returns its blobs, each stored or in an open frame or pack */
  end(): ContentRef {
    this.#cut(true);
    return { size: this.#size, depth: 0, ids: Buffer.concat(this.#ids) };
  }

  #cut(final: boolean): void {
    const { memory } = this.#chunker;
    memory.set(this.#waiting.subarray(0, this.#filled));
    let start = 0;
    for (let end = this.#next(start, final); end > 0; end = this.#next(start, final)) {
      this.#ids.push(this.#store(memory.subarray(start, end)));
      start = end;
    }
    this.#waiting.copyWithin(0, start, this.#filled);
    this.#filled -= start;
  }

  #next(start: number, final: boolean): number {
    return start === this.#filled ? 0 : this.#chunker.cut(start, this.#filled, final);
  }

  #grow(needed: number): void {
    if (needed <= this.#waiting.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#waiting.length * 2));
    this.#waiting.copy(larger, 0, 0, this.#filled);
    this.#waiting = larger;
  }
}
