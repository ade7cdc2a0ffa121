import type { Buffer } from 'node:buffer';

/** The buffers that a message may move to another thread: those that hold only these bytes. Other bytes are copied. */
export function transferable({ buffer, byteLength }: Buffer): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}
