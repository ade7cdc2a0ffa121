import type { Buffer } from 'node:buffer';

/** The memory that a message may move to another thread: that of the bytes, if nothing else lies in it. Other bytes are copied. */
export function transferable({ buffer, byteLength }: Buffer): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
