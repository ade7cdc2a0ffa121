import { Buffer } from 'node:buffer';
import type { Chunker } from '../../chunking/chunker.js';
import type { ContentRef } from '../../format/content.js';

const FIRST_BYTES = 4096;
/** Of the largest chunk: what a chunker's window, and what waits to be cut, has room for. */
export const WINDOW = 4;

/**
 * Cuts one stream of kind tree. Many can be open at a time and share a chunker, as a cut depends only on the bytes of the
 * stream that come next: each holds what it has not cut, and the ids of the rest.
 */
export class TreeStream {
  readonly #chunker: Chunker;
  readonly #store: (blob: Buffer) => Buffer;
  readonly #ids: Buffer[] = [];
  #waiting: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #filled = 0;
  #size = 0;

  /** @param store takes a blob that stays as it is only until it returns the id */
  constructor(chunker: Chunker, store: (blob: Buffer) => Buffer) {
    this.#chunker = chunker;
    this.#store = store;
  }

  write(bytes: Uint8Array): void {
    const room = WINDOW * this.#chunker.sizes.max;
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(room - this.#filled, bytes.length - at);
      this.#grow(this.#filled + count);
      this.#waiting.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === room) this.#cut(false);
    }
    this.#size += bytes.length;
  }

  /** The stream's blobs; each is stored or on its way. */
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
