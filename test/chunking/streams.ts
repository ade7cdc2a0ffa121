import { createHash } from 'node:crypto';

/** Test data that any language can make again. */
export interface StreamRecipe {
  /** SHA-256(seed ‖ u32 counter, little-endian) for the counters 0, 1, 2, …, one after another. */
  readonly seed: string;
  /** Bytes in all; the last digest is cut off. */
  readonly length: number;
  /** When given, the stream is its own first `period` bytes, repeated. */
  readonly period?: number;
  /** When given, each byte is taken modulo this: fewer different bytes. */
  readonly alphabet?: number;
}

/** The bytes of a recipe. */
export function stream(recipe: StreamRecipe): Buffer {
  const { seed, length, alphabet } = recipe;
  const data = Buffer.alloc(length);
  const period = Math.min(recipe.period ?? length, length);
  const counter = Buffer.alloc(4);
  for (let at = 0, i = 0; at < period; at += 32, i++) {
    counter.writeUInt32LE(i);
    createHash('sha256')
      .update(seed)
      .update(counter)
      .digest()
      .copy(data, at, 0, Math.min(32, period - at));
  }
  if (alphabet !== undefined) for (let i = 0; i < period; i++) data[i] = (data[i] as number) % alphabet;
  for (let at = period; at < length; at += period) data.copy(data, at, 0, Math.min(period, length - at));
  return data;
}
