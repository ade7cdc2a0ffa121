import { Chunker } from '../../src/chunking/chunker.js';
import { gearTable } from '../../src/chunking/gear.js';
import type { ChunkSizes } from '../../src/chunking/parameters.js';
import { cutReference } from './reference.js';

/** Ends of all chunks of data that stands in the window as a whole. */
export function wasmEnds(gear: Uint8Array, sizes: ChunkSizes, data: Uint8Array): number[] {
  const chunker = Chunker.create(gear, sizes, Math.max(data.length, sizes.max));
  chunker.memory.set(data);
  return ends(data.length, (start) => chunker.cut(start, data.length, true));
}

/** The same by the reference implementation. */
export function referenceEnds(gear: Uint8Array, sizes: ChunkSizes, data: Uint8Array): number[] {
  const table = gearTable(gear);
  return ends(data.length, (start) => cutReference(table, sizes, data, start, data.length, true));
}

function ends(length: number, cut: (start: number) => number): number[] {
  const found: number[] = [];
  for (let start = 0; start < length; ) {
    const end = cut(start);
    if (end <= start || end > length) throw new Error(`cut at ${end} of ${start} to ${length}`);
    found.push(end);
    start = end;
  }
  return found;
}

/**
 * Ends of all chunks of data that comes through a window of `capacity` bytes in reads of at most the sizes that `reads`
 * gives. The stream's end shows only by a read of nothing, as with a file.
 */
export function windowEnds(
  gear: Uint8Array,
  sizes: ChunkSizes,
  data: Uint8Array,
  capacity: number,
  reads: () => number,
): number[] {
  const chunker = Chunker.create(gear, sizes, capacity);
  const found: number[] = [];
  let [start, end, taken, final] = [0, 0, 0, false];
  for (;;) {
    const cut = chunker.cut(start, end, final);
    if (cut !== 0) {
      found.push(taken - (end - cut));
      start = cut;
      continue;
    }
    if (final) return found;
    if (end === capacity) {
      chunker.memory.copyWithin(0, start, end);
      end -= start;
      start = 0;
    }
    const length = Math.min(reads(), capacity - end, data.length - taken);
    chunker.memory.set(data.subarray(taken, taken + length), end);
    end += length;
    taken += length;
    final = length === 0;
  }
}
