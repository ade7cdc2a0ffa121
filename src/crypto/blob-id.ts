import type { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';
import type { BlobKind } from '../bytes/pack-constants.js';
import { type DirectHmac, directHmac } from './openssl.js';

const KINDS = [Uint8Array.of(0), Uint8Array.of(1), Uint8Array.of(2)] as const;

const throughNode: DirectHmac = (key, prefix, bytes) => createHmac('sha256', key).update(prefix).update(bytes).digest();

let hmac: DirectHmac | undefined;

/** HMAC-SHA-256(id key, u8 kind ‖ plaintext). Called for every chunk that is stored or read. */
export function blobId(idKey: Uint8Array, kind: BlobKind, plaintext: Uint8Array): Buffer {
  hmac ??= directHmac() ?? throughNode;
  return hmac(idKey, KINDS[kind], plaintext);
}
