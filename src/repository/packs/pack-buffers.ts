import { sharedPages, wholePages } from '../../bytes/pages.js';
import type { BufferPool } from './pack-writer.js';

/**
 * A buffer pool for packs that one thread assembles and stores. It grows on demand, because that thread cannot wait for a free buffer:
 * `SharedBuffers` is the pool for threads that can. Buffers begin at whole pages.
 */
export class PackBuffers implements BufferPool {
  readonly #size: number;
  readonly #buffers: Uint8Array[] = [];
  readonly #free: number[] = [];

  /** @param size bytes of each; see `packCapacity` */
  constructor(size: number) {
    this.#size = wholePages(size);
  }

  acquire(): number {
    return this.#free.pop() ?? this.#buffers.push(new Uint8Array(sharedPages(this.#size))) - 1;
  }

  bytes(number: number): Uint8Array {
    const buffer = this.#buffers[number];
    if (buffer === undefined) throw new RangeError(`no buffer ${number}`);
    return buffer;
  }

  release(number: number): void {
    this.#free.push(number);
  }
}
