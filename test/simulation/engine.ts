import { createHash } from 'node:crypto';
import { equalBytes } from '../../src/bytes/views.js';
import type { CryptoEngine } from '../../src/crypto/engine.js';
import { nativeEngine } from '../../src/crypto/native.js';

/**
 * What takes long in cryptography, replaced by what only looks like it: simulations are about the order of things. A public key is its private key, and
 * a signature is a hash of the key and the message.
 */
export function toyEngine(): CryptoEngine {
  let drawn = 0;
  return {
    ...nativeEngine,
    x25519: (own, other) => nativeEngine.sha256(own.map((byte, at) => byte ^ (other[at] as number))),
    x25519Public: (key) => new Uint8Array(key),
    ed25519Public: (seed) => new Uint8Array(seed),
    ed25519Sign: sign,
    ed25519Verify: (key, message, signature) => equalBytes(sign(key, message), signature),
    randomBytes: (length) =>
      new Uint8Array(createHash('shake256', { outputLength: length }).update(`${drawn++}`).digest()),
  };
}

function sign(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha512').update(key).update(message).digest());
}
