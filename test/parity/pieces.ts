import { descriptionAt, type ParityLayout } from '../../src/parity/layout.js';

/** Bytes from `start` to before `end`. */
export interface Piece {
  readonly start: number;
  readonly end: number;
}

/**
 * What SPEC.md section 9 counts damage by: data shards; parity shards, each with the description before it; the last description with the
 * footer. Shards of no bytes are left out.
 */
export function piecesOf(layout: ParityLayout): Piece[] {
  const { dataShards, parityShards, shard, offset, length } = layout;
  const data = Array.from({ length: dataShards }, (_, j) => ({
    start: Math.max(0, offset - (dataShards - j) * shard),
    end: Math.max(0, offset - (dataShards - j - 1) * shard),
  }));
  const parity = Array.from({ length: parityShards }, (_, i) => ({
    start: descriptionAt(layout, i),
    end: descriptionAt(layout, i + 1),
  }));
  const last = { start: descriptionAt(layout, parityShards), end: length };
  return [...data, ...parity, last].filter(({ start, end }) => end > start);
}
