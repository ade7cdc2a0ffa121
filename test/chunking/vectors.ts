import { gearTable } from '../../src/chunking/gear.js';
import { literalEnds } from './literal.js';
import { type StreamRecipe, stream } from './streams.js';

/** What fixtures/vectors/chunking.json holds. */
export interface ChunkingVectors {
  readonly about: string;
  readonly gear: string;
  /** The first four words of the gear table and the last, as hexadecimal numbers. */
  readonly table: readonly string[];
  readonly cases: readonly ChunkingCase[];
}

export interface ChunkingCase {
  readonly sizes: readonly [min: number, average: number, max: number];
  readonly stream: StreamRecipe;
  /** Where each chunk ends, as an offset in the stream. */
  readonly ends: readonly number[];
}

const GEAR = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';

const RECIPES: readonly Omit<ChunkingCase, 'ends'>[] = [
  { sizes: [64, 64, 64], stream: { seed: 'equal sizes', length: 200 } },
  { sizes: [64, 256, 1024], stream: { seed: 'small', length: 20_001 } },
  { sizes: [65, 256, 1023], stream: { seed: 'odd', length: 20_000 } },
  { sizes: [255, 256, 257], stream: { seed: 'narrow', length: 5_000 } },
  { sizes: [64, 256, 1024], stream: { seed: 'empty', length: 0 } },
  { sizes: [64, 256, 1024], stream: { seed: 'min', length: 64 } },
  { sizes: [64, 256, 1024], stream: { seed: 'min + 1', length: 65 } },
  { sizes: [64, 256, 1024], stream: { seed: 'one byte, repeated', length: 5_000, period: 1 } },
  { sizes: [64, 256, 1024], stream: { seed: 'period', length: 10_000, period: 300 } },
  { sizes: [64, 256, 1024], stream: { seed: 'two letters', length: 10_000, alphabet: 2 } },
  { sizes: [1024, 4096, 16384], stream: { seed: 'trees', length: 150_000 } },
  { sizes: [16384, 65536, 262144], stream: { seed: 'files', length: 2_000_003 } },
];

/** The vectors, computed by the literal reading of SPEC.md. */
export function chunkingVectors(): ChunkingVectors {
  const gear = Buffer.from(GEAR, 'hex');
  const words = Array.from(gearTable(gear), (word) => word.toString(16).padStart(16, '0'));
  return {
    about:
      'SPEC.md section 8. A stream is SHA-256(seed, then u32 counter little-endian) for counters 0, 1, 2, ... one after ' +
      'another, cut off at length; with period: its first period bytes, repeated; with alphabet: each byte modulo it.',
    gear: GEAR,
    table: [...words.slice(0, 4), words[255] as string],
    cases: RECIPES.map((recipe) => ({ ...recipe, ends: literalEnds(gear, recipe.sizes, stream(recipe.stream)) })),
  };
}
