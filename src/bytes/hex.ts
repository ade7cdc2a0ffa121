// Hexadecimal text of bytes, in both directions.
// Other encodings of bytes are in views.ts and wire.ts.
import { Buffer } from 'node:buffer';

/** Lower-case hexadecimal of the bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** The bytes of a hexadecimal string, or undefined when it is not one. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined;
  return Buffer.from(text, 'hex');
}
