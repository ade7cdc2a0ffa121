// Sealed objects: one key for each object (SPEC.md section 5).
// Signatures are signed.ts's; kinds and payloads are format's.
import { MAX_SEALED_PLAINTEXT } from '../bytes/pack-constants.js';
import { u32 } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { agree, ascii, forged, hkdf, join, openOnce, TAG_BYTES } from './engine.js';
import { type RepositoryKeys, roleError } from './hierarchy.js';

export type SealedKind = 'config' | 'card' | 'index' | 'snapshot' | 'lease' | 'directory';

export interface OpenedObject {
  readonly epoch: number;
  /** Bit 0: the plaintext is compressed, and stated so under the tag. */
  readonly compressed: boolean;
  readonly plaintext: Uint8Array;
}

const KIND_NUMBERS: Record<SealedKind, number> = { config: 1, card: 2, index: 3, snapshot: 4, lease: 5, directory: 6 };
const MAGIC = ascii('VRVE');
const VERSION = 1;
const HEADER_LENGTH = 44;
const SALT_OFFSET = 12;
const COMPRESSED = 1;

/** How much longer a sealed object is than its plaintext. */
export const SEALED_OVERHEAD = HEADER_LENGTH + TAG_BYTES;

/** SPEC.md section 5, under the newest epoch unless another is given. Compression is the caller's. */
export function sealObject(
  keys: RepositoryKeys,
  kind: SealedKind,
  plaintext: Uint8Array,
  options: { readonly compressed?: boolean; readonly epoch?: number } = {},
): Uint8Array {
  if (plaintext.length > MAX_SEALED_PLAINTEXT)
    throw new VarveError('internal', `${kind}: ${plaintext.length} bytes are more than one sealed object holds`);
  const { engine } = keys;
  const epoch = options.epoch ?? keys.newestEpoch;
  const secret = engine.randomBytes(32);
  const salt = kind === 'snapshot' ? engine.x25519Public(secret) : secret;
  const flags = options.compressed === true ? COMPRESSED : 0;
  const header = join(MAGIC, Uint8Array.of(VERSION, KIND_NUMBERS[kind], flags, 0), u32(epoch), salt);
  const key =
    kind === 'snapshot'
      ? snapshotKey(keys, epoch, agree(engine, secret, keys.metaPublic(epoch), 'snapshot'), salt)
      : indexKey(keys, kind, epoch, salt);
  const out = new Uint8Array(HEADER_LENGTH + plaintext.length + TAG_BYTES);
  out.set(header);
  engine.gcmSealInto(out, HEADER_LENGTH, key, new Uint8Array(12), header, plaintext);
  return out;
}

/** The object's plaintext, once everything about it fits. `name` ("index/ab12…") is for messages. */
export function openObject(keys: RepositoryKeys, kind: SealedKind, bytes: Uint8Array, name: string): OpenedObject {
  const { epoch, flags, salt } = readHeader(kind, bytes, name);
  const header = bytes.subarray(0, HEADER_LENGTH);
  keys.epoch(epoch, name);
  const key = kind === 'snapshot' ? openingSnapshotKey(keys, epoch, salt, name) : indexKey(keys, kind, epoch, salt);
  const plaintext = openOnce(keys.engine, key, header, bytes.subarray(HEADER_LENGTH));
  if (plaintext === undefined) throw forged(name, 'authentication failed');
  return { epoch, compressed: flags === COMPRESSED, plaintext };
}

function readHeader(
  kind: SealedKind,
  bytes: Uint8Array,
  name: string,
): { epoch: number; flags: number; salt: Uint8Array } {
  if (bytes.length < SEALED_OVERHEAD) throw forged(name, 'it is too short');
  if (bytes.length > SEALED_OVERHEAD + MAX_SEALED_PLAINTEXT) throw forged(name, 'it is too long');
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw forged(name, 'it is no varve object');
  if (bytes[4] !== VERSION)
    throw new VarveError('newer', `${name}: has format version ${bytes[4]}; this program reads version ${VERSION}`);
  if (bytes[5] !== KIND_NUMBERS[kind]) throw forged(name, `it is no ${kind}`);
  const flags = bytes[6] as number;
  if (flags > COMPRESSED || bytes[7] !== 0) throw forged(name, 'it has unknown flags');
  if (flags === COMPRESSED && (kind === 'config' || kind === 'card' || kind === 'directory'))
    throw forged(name, 'it must not be compressed');
  const epoch = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  if (epoch === 0) throw forged(name, 'it has no epoch');
  return { epoch, flags, salt: bytes.subarray(SALT_OFFSET, HEADER_LENGTH) };
}

function indexKey(keys: RepositoryKeys, kind: SealedKind, epoch: number, salt: Uint8Array): Uint8Array {
  return hkdf(keys.engine, keys.index(epoch), salt, `varve/1/sealed/${kind}`, 32);
}

function openingSnapshotKey(keys: RepositoryKeys, epoch: number, ephemeral: Uint8Array, name: string): Uint8Array {
  const metaPrivate = keys.metaPrivate(epoch);
  if (metaPrivate === undefined) throw roleError(keys.role, 'manage', `read ${name}`);
  return snapshotKey(keys, epoch, agree(keys.engine, metaPrivate, ephemeral, name), ephemeral);
}

function snapshotKey(keys: RepositoryKeys, epoch: number, shared: Uint8Array, ephemeral: Uint8Array): Uint8Array {
  const salt = join(ephemeral, keys.metaPublic(epoch));
  return hkdf(keys.engine, join(shared, keys.auth(epoch)), salt, 'varve/1/sealed/snapshot', 32);
}
