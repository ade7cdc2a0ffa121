// Where shards and descriptions lie in a pack (SPEC.md section 9).
// section.ts writes and finds them.
import { MAX_SHARDS } from './matrix.js';

/** How much parity may add to a pack, in percent of the bytes that it covers. */
export const MAX_PARITY_PERCENT = 100;
/** Bytes at a pack's end that each description repeats: its footer. */
export const FOOTER_BYTES = 92;
/** Bytes. All sizes of shards are powers of two. */
const SMALLEST_SHARD = 1024;
/** The square of a shard's length is at least so many times the pack's: then the checksums of all shards take up to a quarter of one. */
const CHECKSUM_SHARE = 32;
/** With fewer a run of damage that crosses the border of two shards would be too much. */
const FEWEST_PARITY_SHARDS = 2;
/** Bytes of a description before the footer's copy, and of the hash at its end. */
export const DESCRIPTION_HEAD = 16;
export const DESCRIPTION_HASH = 32;
/** Bytes of a shard's SHA-256 that a description has. */
export const CHECKSUM_BYTES = 8;
const MAX_PACK = 2 ** 30;

/** Where the parity of a pack lies: all of it follows from the pack's length and the percent (SPEC.md section 9). */
export interface ParityLayout {
  /** Bytes of the pack. */
  readonly length: number;
  readonly percent: number;
  /** Bytes of a shard. */
  readonly shard: number;
  readonly dataShards: number;
  readonly parityShards: number;
  /** Bytes of each description. */
  readonly description: number;
  /** Where the section begins: bytes that are covered. */
  readonly offset: number;
  /** Bytes of the section, from there to the footer. */
  readonly sectionLength: number;
}

/** Undefined when a pack of that length is too small for parity. */
export function parityLayout(length: number, percent: number): ParityLayout | undefined {
  if (length > MAX_PACK || percent < 1 || percent > MAX_PARITY_PERCENT) return undefined;
  let shard = SMALLEST_SHARD;
  while (shard * MAX_SHARDS < length || shard * shard < CHECKSUM_SHARE * length) shard *= 2;
  const shards = Math.ceil(length / shard);
  const parityShards = Math.max(FEWEST_PARITY_SHARDS, Math.ceil((shards * percent) / (100 + percent)));
  const description = DESCRIPTION_HEAD + FOOTER_BYTES + shards * CHECKSUM_BYTES + DESCRIPTION_HASH;
  const sectionLength = parityShards * (description + shard) + description;
  const offset = length - FOOTER_BYTES - sectionLength;
  if (offset < 1) return undefined;
  const dataShards = shards - parityShards;
  return { length, percent, shard, dataShards, parityShards, description, offset, sectionLength };
}

/** Where the i-th description lies: one before each parity shard, and one before the footer. */
export function descriptionAt({ offset, description, shard }: ParityLayout, i: number): number {
  return offset + i * (description + shard);
}

/**
 * The data shards of a pack, views of it. They end where the section begins, so the first ones may be shorter, or empty: zeros stand for what they
 * lack. (Were it the last, a run of damage could touch three by a short one in its middle.)
 */
export function dataShardsOf(pack: Uint8Array, { shard, dataShards, offset }: ParityLayout): Uint8Array[] {
  const edge = (number: number): number => Math.max(0, offset - number * shard);
  return Array.from({ length: dataShards }, (_, j) => pack.subarray(edge(dataShards - j), edge(dataShards - j - 1)));
}

/** The parity shards of a pack, views of it; of one that was cut off, as much as is there. */
export function parityShardsOf(pack: Uint8Array, layout: ParityLayout): Uint8Array[] {
  return Array.from({ length: layout.parityShards }, (_, i) => {
    const start = descriptionAt(layout, i) + layout.description;
    return pack.subarray(start, start + layout.shard);
  });
}
