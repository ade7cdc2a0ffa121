import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

/** A distinct id for each number. */
export function idOf(number: number): Buffer {
  return createHash('sha256').update(String(number)).digest();
}
