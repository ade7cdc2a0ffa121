// Direct calls into OpenSSL for large data, with a self-test.
// native.ts falls back to node:crypto where they are missing.
import { Buffer } from 'node:buffer';
import { createCipheriv, createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { equalBytes } from '../bytes/views.js';
import { TAG_BYTES } from './engine.js';

/** AES-256-GCM that writes into memory which is there. Tags have 16 bytes. */
export interface DirectGcm {
  /** Writes ciphertext and then tag to `out`, which has just that length. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void;
  /** Puts the plaintext of ciphertext and tag in `out`, where the ciphertext may be; false, and nothing to be used, when the tag does not fit. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean;
}

/** HMAC-SHA-256 of a byte and the bytes that follow it. */
export type DirectHmac = (key: Uint8Array, prefix: Uint8Array, bytes: Uint8Array) => Buffer;

/** AES-256 in counter mode from the given block on; `out` is as long as `data`. */
export type DirectCtr = (out: Uint8Array, key: Uint8Array, block: Uint8Array, data: Uint8Array) => void;

type Call = (...args: readonly unknown[]) => unknown;

/** EVP_CTRL_AEAD_GET_TAG and _SET_TAG of evp.h. */
const GET_TAG = 0x10;
const SET_TAG = 0x11;

/**
 * The functions of the OpenSSL that Node itself uses, called directly. Through node:crypto every result is memory newly allocated, which
 * for a backup is gigabytes of garbage: 5 % of its time and 60 MiB of memory. Undefined where they cannot be reached, or do not give
 * the same as node:crypto; then node:crypto is used.
 */
export function directGcm(): DirectGcm | undefined {
  try {
    const gcm = bindGcm(openssl());
    return agreesWithNode(gcm) ? gcm : undefined;
  } catch {
    return undefined;
  }
}

/**
 * HMAC in a context that is used again and again. Through node:crypto each one is an object with memory outside the heap, which costs
 * more than hashing a small directory. Undefined as above.
 */
export function directHmac(): DirectHmac | undefined {
  try {
    const hmac = bindHmac(openssl());
    const [key, prefix, bytes] = [Buffer.alloc(32, 7), Buffer.alloc(1, 3), Buffer.alloc(100, 5)] as const;
    const expected = createHmac('sha256', key).update(prefix).update(bytes).digest();
    return [0, 1].every(() => hmac(key, prefix, bytes).equals(expected)) ? hmac : undefined;
  } catch {
    return undefined;
  }
}

/** The same for counter mode. Undefined as above. */
export function directCtr(): DirectCtr | undefined {
  try {
    const ctr = bindCtr(openssl());
    const [key, block, data] = [Buffer.alloc(32, 7), Buffer.alloc(16, 0xff), Buffer.alloc(100, 5)] as const;
    const out = Buffer.alloc(data.length);
    ctr(out, key, block, data);
    return out.equals(createCipheriv('aes-256-ctr', key, block).update(data)) ? ctr : undefined;
  } catch {
    return undefined;
  }
}

/** Binds a function of the OpenSSL in this process. @throws Error when there is none, or it lacks the function */
function openssl(): (declaration: string) => Call {
  const koffi = createRequire(import.meta.url)('koffi') as { load(path: null): { func(declaration: string): Call } };
  const library = koffi.load(null);
  return (declaration) => library.func(declaration);
}

function bindHmac(call: (declaration: string) => Call): DirectHmac {
  const init = call('int HMAC_Init_ex(void *c, const void *key, int length, void *hash, void *engine)');
  const update = call('int HMAC_Update(void *c, const void *data, size_t length)');
  const final = call('int HMAC_Final(void *c, void *out, void *outLength)');
  const context = call('void *HMAC_CTX_new()')();
  const sha256 = call('void *EVP_sha256()')();
  const out = Buffer.alloc(32);
  const written = Buffer.alloc(4);
  let current: Uint8Array | undefined;
  return (key, prefix, bytes) => {
    const same = current !== undefined && equalBytes(current, key);
    if (!same) current = new Uint8Array(key);
    const done =
      (same ? init(context, null, 0, null, null) : init(context, key, key.length, sha256, null)) === 1 &&
      update(context, prefix, prefix.length) === 1 &&
      update(context, bytes, bytes.length) === 1 &&
      final(context, out, written) === 1;
    if (!done) throw new Error('OpenSSL failed to hash');
    return Buffer.from(out);
  };
}

function bindCtr(call: (declaration: string) => Call): DirectCtr {
  const init = call('int EVP_DecryptInit_ex(void *c, void *cipher, void *engine, const void *key, const void *iv)');
  const update = call('int EVP_DecryptUpdate(void *c, void *out, void *outLength, const void *data, int length)');
  const context = call('void *EVP_CIPHER_CTX_new()')();
  const cipher = call('void *EVP_aes_256_ctr()')();
  const written = Buffer.alloc(4);
  return (out, key, block, data) => {
    const done =
      out.length >= data.length &&
      init(context, cipher, null, key, block) === 1 &&
      update(context, out, written, data, data.length) === 1;
    if (!done) throw new Error('OpenSSL failed to decrypt');
  };
}

function bindGcm(call: (declaration: string) => Call): DirectGcm {
  const init = call('int EVP_EncryptInit_ex(void *c, void *cipher, void *engine, const void *key, const void *iv)');
  const update = call('int EVP_EncryptUpdate(void *c, void *out, void *outLength, const void *data, int length)');
  const final = call('int EVP_EncryptFinal_ex(void *c, void *out, void *outLength)');
  const initOpen = call('int EVP_DecryptInit_ex(void *c, void *cipher, void *engine, const void *key, const void *iv)');
  const updateOpen = call('int EVP_DecryptUpdate(void *c, void *out, void *outLength, const void *data, int length)');
  const finalOpen = call('int EVP_DecryptFinal_ex(void *c, void *out, void *outLength)');
  const control = call('int EVP_CIPHER_CTX_ctrl(void *c, int type, int length, void *bytes)');
  const context = call('void *EVP_CIPHER_CTX_new()')();
  const cipher = call('void *EVP_aes_256_gcm()')();
  const written = Buffer.alloc(4);
  const scratch = Buffer.alloc(TAG_BYTES);
  return {
    seal(key, nonce, aad, plaintext, out) {
      const done =
        init(context, cipher, null, key, nonce) === 1 &&
        update(context, null, written, aad, aad.length) === 1 &&
        update(context, out, written, plaintext, plaintext.length) === 1 &&
        final(context, scratch, written) === 1 &&
        control(context, GET_TAG, TAG_BYTES, scratch) === 1;
      if (!done) throw new Error('OpenSSL failed to encrypt');
      out.set(scratch, plaintext.length);
    },
    open(key, nonce, aad, sealed, out) {
      const length = sealed.length - TAG_BYTES;
      scratch.set(sealed.subarray(length));
      return (
        initOpen(context, cipher, null, key, nonce) === 1 &&
        control(context, SET_TAG, TAG_BYTES, scratch) === 1 &&
        updateOpen(context, null, written, aad, aad.length) === 1 &&
        updateOpen(context, out, written, sealed, length) === 1 &&
        finalOpen(context, scratch, written) === 1
      );
    },
  };
}

function agreesWithNode(gcm: DirectGcm): boolean {
  const [key, nonce, aad, plaintext] = [32, 12, 5, 100].map((length) => Buffer.alloc(length, length)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  const expected = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const out = Buffer.alloc(expected.length);
  gcm.seal(key, nonce, aad, plaintext, out);
  if (!out.equals(expected)) return false;
  const into = Buffer.alloc(plaintext.length);
  const forged = Buffer.from(out).fill(0, plaintext.length);
  return (
    gcm.open(key, nonce, aad, out, into) &&
    into.equals(plaintext) &&
    gcm.open(key, nonce, aad, out, out) &&
    out.subarray(0, plaintext.length).equals(plaintext) &&
    !gcm.open(key, nonce, aad, forged, into)
  );
}
