// Collects the encoded entries of a directory in order of name.
// Merging runs of several workers is in merge.ts.
import { Buffer } from 'node:buffer';

const FIRST_BLOCK = 1024;
/** Smaller blocks (those of most directories) come from Node's shared buffer pool. */
const OWN_BLOCK = 4 * 1024;
const LARGEST_BLOCK = 1024 * 1024;

/** An entry that becomes known later than its neighbours; `raw` stays undefined when the path could not be read. */
export interface LateRaw {
  raw: Uint8Array | undefined;
}

/** The buffers of the pieces, without duplicates: the list to transfer to another thread. */
export function memoryOf(pieces: readonly Uint8Array<ArrayBuffer>[]): ArrayBuffer[] {
  return [...new Set(pieces.map(({ buffer }) => buffer))];
}

/** Encoded entries of a directory in order of name, end to end, with gaps for those that are not known yet. */
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

  /** The entries that are known, in order. */
  *bytes(): Generator<Uint8Array> {
    this.#closeBlock();
    for (const part of this.#parts) {
      const raw = 'raw' in part ? part.raw : part;
      if (raw !== undefined) yield raw;
    }
  }

  /** The same as pieces that can be transferred to another thread; each holds whole entries. */
  pieces(): Uint8Array<ArrayBuffer>[] {
    this.#closeBlock();
    return this.#parts.flatMap((part) => {
      const raw = 'raw' in part ? part.raw : part;
      if (raw === undefined) return [];
      return raw === part && raw.length >= OWN_BLOCK ? [raw as Uint8Array<ArrayBuffer>] : [new Uint8Array(raw)];
    });
  }

  #startBlock(least: number): void {
    const size = Math.min(LARGEST_BLOCK, Math.max(FIRST_BLOCK, this.#block.length * 2));
    this.#closeBlock();
    const needed = Math.max(size, least);
    this.#block = needed < OWN_BLOCK ? Buffer.allocUnsafe(needed) : Buffer.allocUnsafeSlow(needed);
  }

  #closeBlock(): void {
    if (this.#used > 0) this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = this.#block.subarray(this.#used);
    this.#used = 0;
  }
}
