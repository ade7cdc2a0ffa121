// The primitives that all other files of crypto build on (SPEC.md section 1).
// native.ts implements them; callers choose labels and formats.
import { TAG_BYTES } from '../bytes/pack-constants.js';
import { VarveError } from '../errors/errors.js';

export { TAG_BYTES };

/**
 * The primitives of SPEC.md. An engine keeps no state that changes results; keys may be cached by identity, so a
 * caller must not change a key's bytes in place. Tests replace `randomBytes` alone: `{ ...nativeEngine, randomBytes }`.
 */
export interface CryptoEngine {
  readonly name: 'native' | 'portable';
  sha256(...parts: readonly Uint8Array[]): Uint8Array;
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** AES-256-GCM: ciphertext ‖ tag written to `out` from `offset`; returns how many bytes that is. */
  gcmSealInto(
    out: Uint8Array,
    offset: number,
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ): number;
  /** The plaintext, or undefined when the tag does not fit. */
  gcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /** The same, but the plaintext may be put into `into`, as long as `sealed` or longer, which may be `sealed` itself. */
  gcmOpenInto(
    into: Uint8Array,
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined;
  /**
   * AES-256 in counter mode, as inside GCM, without authentication: only for bytes that are then compared with their blob's id.
   *
   * @param block the first counter block, 16 bytes
   * @param out as long as `data`
   */
  ctrInto(out: Uint8Array, key: Uint8Array, block: Uint8Array, data: Uint8Array): void;
  /** RFC 7748. Undefined when the result would be all zeros: the public key is of small order. */
  x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  x25519Public(privateKey: Uint8Array): Uint8Array;
  /** RFC 8032, pure. */
  ed25519Sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  ed25519Verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  ed25519Public(seed: Uint8Array): Uint8Array;
  /** RFC 7914, 32 bytes, off the main thread where the engine can. */
  scrypt(password: Uint8Array, salt: Uint8Array, log2N: number, r: number, p: number): Promise<Uint8Array>;
  randomBytes(length: number): Uint8Array;
}

const encoder = new TextEncoder();

/** A label's bytes. */
export function ascii(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Concatenates into new memory, never a part of Node's pool: its other bytes would travel along to another thread. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** HKDF-SHA-256, RFC 5869. */
export function hkdf(
  engine: CryptoEngine,
  ikm: Uint8Array,
  salt: Uint8Array,
  info: string,
  length: number,
): Uint8Array {
  const key = engine.hmacSha256(salt, ikm);
  const label = ascii(info);
  const out = new Uint8Array(length);
  let block = new Uint8Array(0);
  for (let at = 0, i = 1; at < length; at += 32, i++) {
    block = new Uint8Array(engine.hmacSha256(key, block, label, Uint8Array.of(i)));
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}

const ZERO_NONCE = new Uint8Array(12);

/** GCM under a key that seals this one message: the nonce is zero. */
export function sealOnce(engine: CryptoEngine, key: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + TAG_BYTES);
  engine.gcmSealInto(out, 0, key, ZERO_NONCE, aad, plaintext);
  return out;
}

export function openOnce(
  engine: CryptoEngine,
  key: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return engine.gcmOpen(key, ZERO_NONCE, aad, sealed);
}

/** The shared secret; a small-order public key in an object called `name` is refused. */
export function agree(engine: CryptoEngine, privateKey: Uint8Array, publicKey: Uint8Array, name: string): Uint8Array {
  const shared = engine.x25519(privateKey, publicKey);
  if (shared === undefined) throw forged(name, 'its public key is not valid');
  return shared;
}

export function forged(name: string, reason: string): VarveError {
  return new VarveError('damaged', `${name}: damaged or forged: ${reason}; run \`varve check\``);
}
