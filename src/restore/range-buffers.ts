import { Buffer } from 'node:buffer';

/**
 * A pool of shared buffers for ranges of packs. New memory for each range would cost page faults, and garbage collections in V8.
 */
export class RangeBuffers {
  readonly #size: number;
  readonly #free: Buffer[] = [];

  /** @param size bytes of each buffer; memory that is never written takes no space */
  constructor(size: number) {
    this.#size = size;
  }

  /** Takes a buffer for so many bytes; undefined when they are more than a buffer holds. */
  take(bytes: number): Buffer | undefined {
    if (bytes > this.#size) return undefined;
    return this.#free.pop() ?? Buffer.from(new SharedArrayBuffer(this.#size));
  }

  release(buffer: Buffer | undefined): void {
    if (buffer !== undefined) this.#free.push(buffer);
  }
}
