import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { u32 } from '../../src/bytes/views.js';
import { FOOTER_BYTES, parityLayout } from '../../src/parity/layout.js';
import { writeParity } from '../../src/parity/section.js';

/** What fixtures/vectors/parity.json holds. */
export interface ParityVectors {
  readonly about: string;
  readonly cases: readonly ParityVector[];
}

export interface ParityVector {
  readonly length: number;
  readonly percent: number;
  readonly shard: number;
  readonly dataShards: number;
  readonly parityShards: number;
  readonly offset: number;
  /** In hex, of a small pack. */
  readonly section?: string;
  /** SHA-256 of the pack. */
  readonly name: string;
}

const SHOWN = 4096;
const SIZES = [
  [4096, 5],
  [5120, 1],
  [20_480, 50],
  [131_072, 5],
  [1_081_344, 100],
  [16_777_216, 2],
] as const;

export function parityVectors(): ParityVectors {
  return {
    about:
      'SPEC.md section 9. The bytes of a pack but its parity section, from its start to offset and then the footer, are SHA-256(u32 counter little-endian) for counters 0, 1, 2, ... one after another.',
    cases: SIZES.map(([length, percent]) => vector(length, percent)),
  };
}

function vector(length: number, percent: number): ParityVector {
  const layout = parityLayout(length, percent);
  if (layout === undefined) throw new Error(`${length} bytes have no room for parity`);
  const { shard, dataShards, parityShards, offset } = layout;
  const other = stream(offset + FOOTER_BYTES);
  const pack = Buffer.concat([other.subarray(0, offset), Buffer.alloc(layout.sectionLength), other.subarray(offset)]);
  writeParity(pack, layout);
  const section = length <= SHOWN && pack.toString('hex', offset, length - FOOTER_BYTES);
  const name = createHash('sha256').update(pack).digest('hex');
  return { length, percent, shard, dataShards, parityShards, offset, ...(section && { section }), name };
}

function stream(length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, counter) =>
    createHash('sha256').update(u32(counter)).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}
