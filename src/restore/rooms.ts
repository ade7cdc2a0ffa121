import { Buffer } from 'node:buffer';

/**
 * Memory that ranges of packs are fetched into, again and again: new memory for each costs the kernel's work on every page, and V8 looks through all
 * of its own for what may be given back. Threads share it.
 */
export class Rooms {
  readonly #size: number;
  readonly #free: Buffer[] = [];

  /** @param size bytes of each; memory that is never written costs nothing */
  constructor(size: number) {
    this.#size = size;
  }

  /** Room for so many bytes; undefined when they are more than any room has. */
  take(bytes: number): Buffer | undefined {
    if (bytes > this.#size) return undefined;
    return this.#free.pop() ?? Buffer.from(new SharedArrayBuffer(this.#size));
  }

  give(room: Buffer | undefined): void {
    if (room !== undefined) this.#free.push(room);
  }
}
