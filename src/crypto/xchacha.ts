// XChaCha20-Poly1305 for the private keys of a key slot.
// slot.ts gives key, nonce and label.
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { type CryptoEngine, TAG_BYTES } from './engine.js';

/** XChaCha20-Poly1305 from @noble, as OpenSSL lacks it. */
export const xchachaSeal: CryptoEngine['xchachaSeal'] = (key, nonce, aad, plaintext) =>
  xchacha20poly1305(key, nonce, aad).encrypt(plaintext);

export const xchachaOpen: CryptoEngine['xchachaOpen'] = (key, nonce, aad, sealed) =>
  openOrUndefined(sealed, (bytes) => xchacha20poly1305(key, nonce, aad).decrypt(bytes));

/** Returns undefined where @noble throws because authentication failed. */
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
