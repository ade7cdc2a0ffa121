import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { type CryptoEngine, TAG_BYTES } from './engine.js';

/** What OpenSSL lacks. Apart from the portable engine: loading that takes every thread 40 ms. */
export const xchachaSeal: CryptoEngine['xchachaSeal'] = (key, nonce, aad, plaintext) =>
  xchacha20poly1305(key, nonce, aad).encrypt(plaintext);

export const xchachaOpen: CryptoEngine['xchachaOpen'] = (key, nonce, aad, sealed) =>
  openOrUndefined(sealed, (bytes) => xchacha20poly1305(key, nonce, aad).decrypt(bytes));

/** What does not authenticate is undefined, where @noble throws. */
export function openOrUndefined(
  sealed: Uint8Array,
  decrypt: (sealed: Uint8Array) => Uint8Array,
): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined;
  try {
    return decrypt(sealed);
  } catch {
    return undefined;
  }
}
