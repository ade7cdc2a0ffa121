// Pack keys, and sealing and opening of frames (SPEC.md section 9).
// The repository decides which blobs a frame holds.
import { type BlobKind, type Codec, WRAPPED_KEY_BYTES } from '../bytes/pack-constants.js';
import { u32 } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { agree, type CryptoEngine, forged, hkdf, join, openOnce, sealOnce, TAG_BYTES } from './engine.js';
import { type RepositoryKeys, roleError } from './hierarchy.js';
import { nativeEngine } from './native.js';

const SEALED_OFFSET = 36;
const LABELS: Record<BlobKind, string> = { 1: 'varve/1/pack/data', 2: 'varve/1/pack/tree' };

export interface PackKey {
  readonly key: Uint8Array;
  readonly wrapped: Uint8Array;
}

/** A random key for one pack of data (1) or trees (2), and its wrapped form. */
export function newPackKey(keys: RepositoryKeys, kind: BlobKind): PackKey {
  const { engine, newestEpoch: epoch } = keys;
  const recipient = kind === 1 ? keys.contentPublic(epoch) : keys.metaPublic(epoch);
  const key = engine.randomBytes(32);
  const ephemeral = engine.randomBytes(32);
  const head = join(u32(epoch), engine.x25519Public(ephemeral));
  const shared = agree(engine, ephemeral, recipient, 'pack key');
  const wrapping = wrappingKey(keys, kind, epoch, shared, head.subarray(4), recipient);
  return { key, wrapped: join(head, sealOnce(engine, wrapping, head, key)) };
}

/** The pack's key. `name` is the pack's, for messages. */
export function unwrapPackKey(keys: RepositoryKeys, kind: BlobKind, wrapped: Uint8Array, name = 'pack'): Uint8Array {
  if (wrapped.length !== WRAPPED_KEY_BYTES) throw forged(name, 'its wrapped key has the wrong length');
  const epoch = new DataView(wrapped.buffer, wrapped.byteOffset).getUint32(0, true);
  if (epoch === 0) throw forged(name, 'its wrapped key has no epoch');
  const { metaPrivate, contentPrivate, metaPublic, contentPublic } = keys.epoch(epoch, name);
  const [priv, recipient] = kind === 1 ? [contentPrivate, contentPublic] : [metaPrivate, metaPublic];
  if (priv === undefined) {
    if (kind === 1) throw roleError(keys.role, 'full', `read the file contents in ${name}`);
    throw roleError(keys.role, 'manage', `read the directories in ${name}`);
  }
  const head = wrapped.subarray(0, SEALED_OFFSET);
  const ephemeral = wrapped.subarray(4, SEALED_OFFSET);
  const wrapping = wrappingKey(keys, kind, epoch, agree(keys.engine, priv, ephemeral, name), ephemeral, recipient);
  const key = openOnce(keys.engine, wrapping, head, wrapped.subarray(SEALED_OFFSET));
  if (key === undefined) throw forged(name, 'authentication of its key failed');
  return key;
}

function wrappingKey(
  keys: RepositoryKeys,
  kind: BlobKind,
  epoch: number,
  shared: Uint8Array,
  ephemeral: Uint8Array,
  recipient: Uint8Array,
): Uint8Array {
  return hkdf(keys.engine, join(shared, keys.auth(epoch)), join(ephemeral, recipient), LABELS[kind], 32);
}

/** How much longer a stored frame is than its body. */
export const FRAME_OVERHEAD = TAG_BYTES;

function frameNonce(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(8, counter, true);
  return nonce;
}

function frameAad(codec: number, rawLength: number): Uint8Array {
  const aad = new Uint8Array(5);
  aad[0] = codec;
  new DataView(aad.buffer).setUint32(1, rawLength, true);
  return aad;
}

/**
 * Writes ciphertext ‖ tag of the body to `out` from `offset` and returns its length. Never use a counter twice
 * under one pack key.
 */
export function sealFrameInto(
  out: Uint8Array,
  offset: number,
  key: Uint8Array,
  counter: number,
  codec: Codec,
  rawLength: number,
  body: Uint8Array,
  engine: CryptoEngine = nativeEngine,
): number {
  if (offset + body.length + FRAME_OVERHEAD > out.length)
    throw new VarveError('internal', 'the frame does not fit the pack buffer');
  return engine.gcmSealInto(out, offset, key, frameNonce(counter), frameAad(codec, rawLength), body);
}

/**
 * The body of a frame: still compressed where the codec says so.
 *
 * @param name the pack's
 * @param into memory that the body may be put into, `stored` itself unless another is given
 */
export function openFrame(
  key: Uint8Array,
  counter: number,
  codec: number,
  rawLength: number,
  stored: Uint8Array,
  name: string,
  into: Uint8Array = stored,
  engine: CryptoEngine = nativeEngine,
): Uint8Array {
  const body = engine.gcmOpenInto(into, key, frameNonce(counter), frameAad(codec, rawLength), stored);
  if (body === undefined) throw forged(name, `authentication of frame ${counter} failed`);
  return body;
}

/** A part of a frame that is decrypted alone begins at a multiple of this many bytes. */
export const CIPHER_BLOCK = 16;

/**
 * Decrypts a part of a frame's body without its tag: do not trust it before its bytes match their blob's id (SPEC.md section 9).
 *
 * @param offset in the body, a multiple of CIPHER_BLOCK
 * @param out as long as `stored`; it may be `stored` itself
 */
export function decryptFramePart(
  key: Uint8Array,
  counter: number,
  offset: number,
  stored: Uint8Array,
  out: Uint8Array,
  engine: CryptoEngine = nativeEngine,
): void {
  const block = new Uint8Array(16);
  block.set(frameNonce(counter));
  // GCM encrypts its first block with the counter at 2.
  new DataView(block.buffer).setUint32(12, 2 + offset / CIPHER_BLOCK);
  engine.ctrInto(out, key, block, stored);
}
