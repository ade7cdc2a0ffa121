import * as crypto from 'node:crypto';
import { asBuffer, equalBytes } from '../bytes/views.js';
import { type CryptoEngine, TAG_BYTES } from './engine.js';
import { type DirectCtr, type DirectGcm, directCtr, directGcm } from './openssl.js';

/** DER around a raw private key (RFC 8410): X25519 is OID 1.3.101.110, Ed25519 1.3.101.112. */
const X25519_PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const RAW_LENGTH = 32;

interface Imported {
  readonly raw: Uint8Array;
  readonly key: crypto.KeyObject;
}

/**
 * Importing a private key costs 300 µs, a signature 30. So a KeyObject is remembered for as long as the bytes it was
 * made from live; the comparison catches a buffer that was filled again.
 */
class KeyCache {
  readonly #known = new WeakMap<Uint8Array, Imported>();
  readonly #import: (raw: Uint8Array) => crypto.KeyObject;

  constructor(importKey: (raw: Uint8Array) => crypto.KeyObject) {
    this.#import = importKey;
  }

  get(raw: Uint8Array): crypto.KeyObject {
    const known = this.#known.get(raw);
    if (known !== undefined && equalBytes(known.raw, raw)) return known.key;
    const key = this.#import(raw);
    this.#known.set(raw, { raw: new Uint8Array(raw), key });
    return key;
  }
}

/** From this length on, writing the ciphertext in place is faster. */
const DIRECT_BYTES = 32 * 1024;
/** null when OpenSSL cannot be reached. */
let gcm: DirectGcm | null | undefined;

function directFor(length: number): DirectGcm | undefined {
  if (length < DIRECT_BYTES) return undefined;
  if (gcm === undefined) gcm = directGcm() ?? null;
  return gcm ?? undefined;
}

/** Bytes that are encrypted in one call. */
const PIECE = 32 * 1024;

const exchangeKeys = new KeyCache((raw) => importPrivate(X25519_PKCS8, raw));
const signingKeys = new KeyCache((raw) => importPrivate(ED25519_PKCS8, raw));
const verifyingKeys = new KeyCache((raw) => importPublic('Ed25519', raw));

function importPrivate(prefix: Buffer, raw: Uint8Array): crypto.KeyObject {
  return crypto.createPrivateKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'pkcs8' });
}

/** As a JWK: 5 µs, where DER takes 68. */
function importPublic(crv: 'X25519' | 'Ed25519', raw: Uint8Array): crypto.KeyObject {
  return crypto.createPublicKey({ key: { kty: 'OKP', crv, x: asBuffer(raw).toString('base64url') }, format: 'jwk' });
}

function publicOf(privateKey: crypto.KeyObject): Uint8Array {
  const der = crypto.createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return new Uint8Array(der.subarray(der.length - RAW_LENGTH));
}

function hash(state: crypto.Hash | crypto.Hmac, parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) state.update(part);
  return state.digest();
}

function gcmSealInto(
  out: Uint8Array,
  offset: number,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): number {
  const direct = directFor(plaintext.length);
  if (direct !== undefined) {
    direct.seal(key, nonce, aad, plaintext, out.subarray(offset, offset + plaintext.length + TAG_BYTES));
    return plaintext.length + TAG_BYTES;
  }
  const cipher = crypto.createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  // In pieces: Node allocates every result, and small ones come from memory that is in the cache already.
  for (let at = 0; at < plaintext.length; at += PIECE)
    out.set(cipher.update(plaintext.subarray(at, at + PIECE)), offset + at);
  cipher.final();
  out.set(cipher.getAuthTag(), offset + plaintext.length);
  return plaintext.length + TAG_BYTES;
}

function gcmOpenInto(
  into: Uint8Array,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES;
  const direct = directFor(length);
  if (direct === undefined) return gcmOpen(key, nonce, aad, sealed);
  const out = into.subarray(0, length);
  return direct.open(key, nonce, aad, sealed, out) ? out : undefined;
}

function gcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - TAG_BYTES;
  if (length < 0) return undefined;
  const decipher = crypto.createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(length));
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plaintext;
}

/** null when OpenSSL cannot be reached. */
let counterMode: DirectCtr | null | undefined;

function ctrInto(out: Uint8Array, key: Uint8Array, block: Uint8Array, data: Uint8Array): void {
  if (counterMode === undefined) counterMode = directCtr() ?? null;
  if (counterMode !== null && data.length >= DIRECT_BYTES) counterMode(out, key, block, data);
  else out.set(crypto.createDecipheriv('aes-256-ctr', key, block).update(data));
}

function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  try {
    return crypto.diffieHellman({
      privateKey: exchangeKeys.get(privateKey),
      publicKey: importPublic('X25519', publicKey),
    });
  } catch {
    return undefined; // OpenSSL refuses a shared secret of zeros by itself.
  }
}

function ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return crypto.verify(null, message, verifyingKeys.get(publicKey), signature);
  } catch {
    return false;
  }
}

function scrypt(password: Uint8Array, salt: Uint8Array, log2N: number, r: number, p: number): Promise<Uint8Array> {
  const N = 2 ** log2N;
  const options = { N, r, p, maxmem: 128 * r * (N + p) + 2 ** 20 };
  return new Promise((resolve, reject) => {
    crypto.scrypt(password, salt, 32, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

/** node:crypto, which is OpenSSL. */
export const nativeEngine: CryptoEngine = {
  name: 'native',
  sha256: (...parts) => hash(crypto.createHash('sha256'), parts),
  hmacSha256: (key, ...parts) => hash(crypto.createHmac('sha256', key), parts),
  gcmSealInto,
  gcmOpen,
  gcmOpenInto,
  ctrInto,
  x25519,
  x25519Public: (privateKey) => publicOf(exchangeKeys.get(privateKey)),
  ed25519Sign: (seed, message) => crypto.sign(null, message, signingKeys.get(seed)),
  ed25519Verify,
  ed25519Public: (seed) => publicOf(signingKeys.get(seed)),
  scrypt,
  randomBytes: (length) => new Uint8Array(crypto.randomBytes(length)),
};
