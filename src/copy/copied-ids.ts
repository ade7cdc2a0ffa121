import { Buffer } from 'node:buffer';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from '../repository/index/blob-index.js';

/**
 * Maps blob numbers of the source to ids in the target. The ids differ because each repository computes them with its own key. Takes 32
 * bytes for each mapped blob, and hardly any memory for others: mapped blobs have adjacent numbers, so whole pages stay untouched.
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

  /** @throws RangeError when the blob has no entry */
  get(blob: number): Buffer {
    if (!this.has(blob)) throw new RangeError(`blob ${blob} has not been copied`);
    return this.#ids.subarray(blob * ID_BYTES, (blob + 1) * ID_BYTES);
  }

  set(blob: number, id: Buffer): void {
    id.copy(this.#ids, blob * ID_BYTES, 0, ID_BYTES);
    this.#known[blob] = 1;
  }
}
