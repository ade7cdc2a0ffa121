import type { BlobIndex } from '../repository/index/blob-index.js';

/** A set of the index's blobs by number, one bit each. */
export class BlobSet {
  readonly #bits: Uint8Array;

  constructor({ size }: BlobIndex) {
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  add(blob: number): void {
    this.#bits[blob >>> 3] = (this.#bits[blob >>> 3] as number) | (1 << (blob & 7));
  }

  has(blob: number): boolean {
    return blob >= 0 && (((this.#bits[blob >>> 3] as number) >> (blob & 7)) & 1) === 1;
  }

  /** The blobs that are in none of the other sets. */
  *without(...others: readonly BlobSet[]): Generator<number> {
    for (const [at, bits] of this.#bits.entries()) {
      let left = bits;
      for (const other of others) left &= ~(other.#bits[at] as number);
      for (let bit = 0; left >> bit > 0; bit++) if ((left >> bit) & 1) yield at * 8 + bit;
    }
  }
}
