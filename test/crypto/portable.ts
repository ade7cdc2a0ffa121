import { ctr, gcm } from '@noble/ciphers/aes.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { scryptAsync } from '@noble/hashes/scrypt.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { type CryptoEngine, TAG_BYTES } from '../../src/crypto/engine.js';

function absorb<H extends { update(part: Uint8Array): unknown; digest(): Uint8Array }>(
  state: H,
  parts: readonly Uint8Array[],
): Uint8Array {
  for (const part of parts) state.update(part);
  return state.digest();
}

/** @noble throws for what must be refused: a shared secret of zeros, a signature or a key that is no point. */
function attempt<T, F>(action: () => T, otherwise: F): T | F {
  try {
    return action();
  } catch {
    return otherwise;
  }
}

/** @noble's engine: plain JavaScript, the reference implementation that tests compare the native engine with. */
export const portableEngine: CryptoEngine = {
  name: 'portable',
  sha256: (...parts) => absorb(sha256.create(), parts),
  hmacSha256: (key, ...parts) => absorb(hmac.create(sha256, key), parts),
  gcmSealInto: (out, offset, key, nonce, aad, plaintext) => {
    const sealed = gcm(key, nonce, aad).encrypt(plaintext);
    out.set(sealed, offset);
    return sealed.length;
  },
  gcmOpen: (key, nonce, aad, sealed) => openOrUndefined(sealed, (bytes) => gcm(key, nonce, aad).decrypt(bytes)),
  gcmOpenInto: (_, key, nonce, aad, sealed) => openOrUndefined(sealed, (bytes) => gcm(key, nonce, aad).decrypt(bytes)),
  ctrInto: (out, key, block, data) => out.set(ctr(key, block).decrypt(data)),
  x25519: (privateKey, publicKey) => attempt(() => x25519.getSharedSecret(privateKey, publicKey), undefined),
  x25519Public: (privateKey) => x25519.getPublicKey(privateKey),
  ed25519Sign: (seed, message) => ed25519.sign(message, seed),
  // As RFC 8032 and OpenSSL have it, not the looser rules of ZIP 215.
  ed25519Verify: (publicKey, message, signature) =>
    attempt(() => ed25519.verify(signature, message, publicKey, { zip215: false }), false),
  ed25519Public: (seed) => ed25519.getPublicKey(seed),
  scrypt: (password, salt, log2N, r, p) =>
    scryptAsync(password, salt, { N: 2 ** log2N, r, p, dkLen: 32, maxmem: 128 * r * (2 ** log2N + p) + 2 ** 20 }),
  randomBytes: (length) => randomBytes(length),
};

/** Returns undefined where @noble throws because authentication failed. */
function openOrUndefined(sealed: Uint8Array, decrypt: (sealed: Uint8Array) => Uint8Array): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined;
  try {
    return decrypt(sealed);
  } catch {
    return undefined;
  }
}
