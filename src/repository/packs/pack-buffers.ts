import { sharedPages, wholePages } from '../../bytes/pages.js';
import type { PackSpace } from './pack-writer.js';

/** As many buffers as are asked for, for packs that are assembled where they are stored from: in one thread. They begin at whole pages. */
export class PackBuffers implements PackSpace {
  readonly #size: number;
  readonly #buffers: Uint8Array[] = [];
  readonly #free: number[] = [];
  #waiting: (() => void)[] = [];
  #aborted = false;

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

  /** Its bytes may be overwritten from here on. */
  release(number: number): void {
    this.#free.push(number);
    this.#wake();
  }

  /** Ends all waiting: what is under way will not be released. */
  abort(): void {
    this.#aborted = true;
    this.#wake();
  }

  /** Resolves when at most so many are taken. */
  async atMost(taken: number): Promise<void> {
    while (!this.#aborted && this.#buffers.length - this.#free.length > taken) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each();
  }
}
