import { equalBytes } from '../../src/bytes/views.js';
import { type CryptoEngine, TAG_BYTES } from '../../src/crypto/engine.js';
import { nativeEngine } from '../../src/crypto/native.js';

/** Draws the same bytes again after `restart`. */
export interface ToyEngine extends CryptoEngine {
  restart(): void;
}

/**
 * Replaces slow cryptography by fast functions of the same shape, because simulations test only the order of events. A public key is its
 * private key, a signature is a hash of key and message, sealed bytes are the plaintext, and hashes have 64 bits.
 */
export function toyEngine(): ToyEngine {
  let drawn = 0;
  return {
    ...nativeEngine,
    sha256: (...parts) => mix(32, parts),
    hmacSha256: (key, ...parts) => mix(32, [key, ...parts]),
    gcmSealInto: (out, offset, key, _, aad, plaintext) => {
      out.set(plaintext, offset);
      out.set(mix(TAG_BYTES, [key, aad, plaintext]), offset + plaintext.length);
      return plaintext.length + TAG_BYTES;
    },
    gcmOpen: (key, _, aad, sealed) => open(key, aad, sealed),
    gcmOpenInto: (_into, key, _nonce, aad, sealed) => open(key, aad, sealed),
    x25519: (own, other) => mix(32, [own.map((byte, at) => byte ^ (other[at] as number))]),
    x25519Public: (key) => new Uint8Array(key),
    ed25519Public: (seed) => new Uint8Array(seed),
    ed25519Sign: sign,
    ed25519Verify: (key, message, signature) => equalBytes(sign(key, message), signature),
    randomBytes: (length) => mix(length, [new Uint8Array(new Uint32Array([++drawn]).buffer)]),
    restart: () => {
      drawn = RUN;
    },
  };
}

/** The number of the first draw of every run, beyond those that the keys take. */
const RUN = 1_000_000;

const sign = (key: Uint8Array, message: Uint8Array): Uint8Array => mix(64, [key, message]);

function open(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const plaintext = sealed.slice(0, sealed.length - TAG_BYTES);
  const tag = mix(TAG_BYTES, [key, aad, plaintext]);
  return equalBytes(tag, sealed.subarray(plaintext.length)) ? plaintext : undefined;
}

/** A weak hash: two hashes of 32 bits, repeated to the wanted length. */
function mix(length: number, parts: readonly Uint8Array[]): Uint8Array {
  let [a, b] = [0x811c9dc5, 0x9e3779b1];
  for (const part of parts) {
    for (let at = 0; at < part.length; at++) {
      const byte = part[at] as number;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b + byte, 0x85ebca6b) ^ (b >>> 13);
    }
    a = Math.imul(a ^ part.length, 0x01000193);
  }
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    a = Math.imul(a ^ (b >>> 15), 0x2c1b3c6d);
    b = Math.imul(b ^ (a >>> 12), 0x297a2d39) + at;
    out[at] = (a ^ b) >>> 11;
  }
  return out;
}
