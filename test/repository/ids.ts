import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

/** An id of its own for each number. */
export function idOf(number: number): Buffer {
  return createHash('sha256').update(String(number)).digest();
}
