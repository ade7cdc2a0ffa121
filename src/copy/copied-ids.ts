import { Buffer } from 'node:buffer';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from '../repository/index/blob-index.js';

/**
 * What the blobs of one repository are called in another: ids are made with a key of each. 32 bytes of memory for each that is known, and
 * hardly any for the others, as blobs that are needed together are stored together.
 */
export class CopiedIds {
  readonly #ids: Buffer;
  readonly #known: Uint8Array;

  constructor({ size }: BlobIndex) {
    this.#ids = Buffer.alloc(size * ID_BYTES);
    this.#known = new Uint8Array(size);
  }

  has(blob: number): boolean {
    return this.#known[blob] === 1;
  }

  /** @throws RangeError when it is not known */
  get(blob: number): Buffer {
    if (!this.has(blob)) throw new RangeError(`blob ${blob} has not been copied`);
    return this.#ids.subarray(blob * ID_BYTES, (blob + 1) * ID_BYTES);
  }

  set(blob: number, id: Buffer): void {
    id.copy(this.#ids, blob * ID_BYTES, 0, ID_BYTES);
    this.#known[blob] = 1;
  }
}
