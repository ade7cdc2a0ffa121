// Views of bytes as Buffers, and comparisons of byte strings.
// It copies nothing; owners of the memory decide how long a view is valid.
import { Buffer } from 'node:buffer';

/** The same memory as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes up to which a loop is faster than a call of native code. */
const SHORT = 64;

/** Byte order of two strings of bytes: negative, zero or positive, as for sort. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  if (a.length > SHORT || b.length > SHORT) return Buffer.compare(a, b);
  return compareRange(a, 0, a.length, b, 0, b.length);
}

/** The same of short parts. */
export function compareRange(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const common = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < common; i++) {
    const difference = (a[aStart + i] as number) - (b[bStart + i] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** u32, little-endian, as SPEC.md section 1 has it. */
export function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}
