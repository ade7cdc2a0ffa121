import { Buffer } from 'node:buffer';

const SMALLEST = 64 * 1024;
/** Bytes of rooms that are free and kept. */
const SPARE = 16 * 1024 * 1024;

/**
 * Memory for what is opened, in sizes of which each is a quarter of a power of two larger than the one before, so that what was given back serves again: new
 * memory for each frame would have to be cleared by the kernel, and V8 would look for what can be freed all the time. It is shared with the worker threads.
 */
export class Rooms {
  readonly #spare = new Map<number, Buffer[]>();
  #spareBytes = 0;

  /** At least so many bytes. */
  take(length: number): Buffer {
    const size = roomSize(length);
    const spare = this.#spare.get(size)?.pop();
    if (spare === undefined) return Buffer.from(new SharedArrayBuffer(size));
    this.#spareBytes -= size;
    return spare;
  }

  give(room: Buffer): void {
    if (this.#spareBytes + room.length > SPARE) return;
    const spares = this.#spare.get(room.length);
    if (spares === undefined) this.#spare.set(room.length, [room]);
    else spares.push(room);
    this.#spareBytes += room.length;
  }
}

/** Bytes that a room for so many has. */
export function roomSize(length: number): number {
  if (length <= SMALLEST) return SMALLEST;
  const step = 2 ** (Math.floor(Math.log2(length - 1)) - 2);
  return Math.ceil(length / step) * step;
}
