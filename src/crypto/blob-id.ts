import type { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';
import { type DirectHmac, directHmac } from './openssl.js';

/** 1 = a chunk of file contents, 2 = a chunk of directories. */
export type BlobKind = 1 | 2;

const KINDS = [Uint8Array.of(0), Uint8Array.of(1), Uint8Array.of(2)] as const;

const throughNode: DirectHmac = (key, prefix, bytes) => createHmac('sha256', key).update(prefix).update(bytes).digest();

let hmac: DirectHmac | undefined;

/** HMAC-SHA-256(id key, u8 kind ‖ plaintext). Called for every chunk that is stored or read. */
export function blobId(idKey: Uint8Array, kind: BlobKind, plaintext: Uint8Array): Buffer {
  hmac ??= directHmac() ?? throughNode;
  return hmac(idKey, KINDS[kind], plaintext);
}
