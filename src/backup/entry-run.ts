import { Buffer } from 'node:buffer';

const FIRST_BLOCK = 4 * 1024;
const LARGEST_BLOCK = 1024 * 1024;

/** An entry that becomes known later than those around it; it has none when its path could not be read. */
export interface LateRaw {
  raw: Uint8Array | undefined;
}

/** The memory that pieces lie in, each once: what is to be moved with them to another thread. */
export function memoryOf(pieces: readonly Uint8Array<ArrayBuffer>[]): ArrayBuffer[] {
  return [...new Set(pieces.map(({ buffer }) => buffer))];
}

/** Encoded entries of a directory in order of name, laid end to end, with places for those that are not known yet. */
export class EntryRun {
  readonly #parts: (Buffer | LateRaw)[] = [];
  #block = Buffer.alloc(0);
  #used = 0;

  add(raw: Uint8Array): void {
    if (this.#used + raw.length > this.#block.length) this.#startBlock(raw.length);
    this.#block.set(raw, this.#used);
    this.#used += raw.length;
  }

  addLater(late: LateRaw): void {
    this.#closeBlock();
    this.#parts.push(late);
  }

  /** What is known by now, in order. */
  *bytes(): Generator<Uint8Array> {
    this.#closeBlock();
    for (const part of this.#parts) {
      const raw = 'raw' in part ? part.raw : part;
      if (raw !== undefined) yield raw;
    }
  }

  /** The same as pieces of memory that can be handed to another thread; each begins and ends with an entry. */
  pieces(): Uint8Array<ArrayBuffer>[] {
    this.#closeBlock();
    return this.#parts.flatMap((part) => {
      if (!('raw' in part)) return [part as Uint8Array<ArrayBuffer>];
      return part.raw === undefined ? [] : [new Uint8Array(part.raw)];
    });
  }

  #startBlock(least: number): void {
    const size = Math.min(LARGEST_BLOCK, Math.max(FIRST_BLOCK, this.#block.length * 2));
    this.#closeBlock();
    this.#block = Buffer.allocUnsafeSlow(Math.max(size, least));
  }

  #closeBlock(): void {
    if (this.#used > 0) this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }
}
