// Chunk sizes, and the masks that FastCDC derives from them (SPEC.md section 8).
// chunker.ts cuts; the config stores the sizes.
import { type ErrorCode, VarveError } from '../errors/errors.js';

/** Sizes of the chunks of a stream, in bytes. */
export interface ChunkSizes {
  readonly min: number;
  readonly average: number;
  readonly max: number;
}

/** Bounds of SPEC.md section 7, in bytes. */
export const SMALLEST_CHUNK = 64;
export const LARGEST_CHUNK = 64 * 1024 * 1024;

/**
 * Throws unless 64 ≤ min ≤ average ≤ max ≤ 64 MiB and average is a power of two. The code is 'usage' for sizes that
 * somebody asks for, 'damaged' for sizes that a repository states.
 */
export function validateChunkSizes(sizes: ChunkSizes, code: ErrorCode = 'usage'): void {
  const { min, average, max } = sizes;
  const whole = [min, average, max].every(Number.isSafeInteger);
  if (!whole || min < SMALLEST_CHUNK || min > average || average > max || max > LARGEST_CHUNK)
    throw new VarveError(
      code,
      `chunk sizes ${min}, ${average}, ${max}: want ${SMALLEST_CHUNK} ≤ min ≤ average ≤ max ≤ ${LARGEST_CHUNK} bytes`,
    );
  if (!Number.isInteger(Math.log2(average)))
    throw new VarveError(code, `average chunk size ${average}: want a power of two`);
}

/** What a fingerprint is masked with: `strict` before the average size is reached, `loose` from there on. */
export interface Masks {
  readonly strict: bigint;
  readonly loose: bigint;
}

/** maskS and maskL of SPEC.md section 8: one bits from bit 62 downwards, one more and one fewer than log2(average). */
export function masks(average: number): Masks {
  const bits = Math.log2(average);
  return { strict: onesBelowTop(bits + 1), loose: onesBelowTop(Math.max(bits - 1, 1)) };
}

function onesBelowTop(count: number): bigint {
  return ((1n << BigInt(count)) - 1n) << BigInt(63 - count);
}
