// Seals and opens the footer of a pack (SPEC.md section 9).
// pack directories and frames are sealed.ts's and pack-key.ts's.
import type { BlobKind } from '../bytes/pack-constants.js';
import { u32 } from '../bytes/views.js';
import { ascii, forged, hkdf, join, openOnce, sealOnce } from './engine.js';
import type { RepositoryKeys } from './hierarchy.js';

export interface Footer {
  readonly kind: BlobKind;
  readonly directoryOffset: number;
  readonly directoryLength: number;
  /** Both 0 without parity. */
  readonly parityOffset: number;
  readonly parityLength: number;
}

/** A footer as it stands in a pack. */
export interface OpenedFooter extends Footer {
  readonly epoch: number;
}

export const FOOTER_LENGTH = 92;
const HEAD_LENGTH = 44;
const BODY_LENGTH = 32;
const MAGIC = Uint8Array.of(...ascii('VRVP'), 1, 0, 0, 0);
const MAX_PACK = 2 ** 30;
const MAX_DIRECTORY = 128 * 2 ** 20;

/** The last 92 bytes of a pack. */
export function sealFooter(keys: RepositoryKeys, footer: Footer): Uint8Array {
  const epoch = keys.newestEpoch;
  const salt = keys.engine.randomBytes(32);
  const head = join(MAGIC, u32(epoch), salt);
  const body = new DataView(new ArrayBuffer(BODY_LENGTH));
  body.setBigUint64(0, BigInt(footer.directoryOffset), true);
  body.setUint32(8, footer.directoryLength, true);
  body.setUint32(12, footer.kind, true);
  body.setBigUint64(16, BigInt(footer.parityOffset), true);
  body.setBigUint64(24, BigInt(footer.parityLength), true);
  return join(head, sealOnce(keys.engine, footerKey(keys, epoch, salt), head, new Uint8Array(body.buffer)));
}

/** Offsets and lengths are within the limits of a pack; whether they fit this pack's length is the caller's to check. */
export function openFooter(keys: RepositoryKeys, bytes: Uint8Array, name: string): OpenedFooter {
  if (bytes.length !== FOOTER_LENGTH) throw forged(name, 'it is too short for a footer');
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) throw forged(name, 'it does not end like a pack');
  const head = bytes.subarray(0, HEAD_LENGTH);
  const epoch = new DataView(head.buffer, head.byteOffset).getUint32(8, true);
  if (epoch === 0) throw forged(name, 'its footer has no epoch');
  keys.epoch(epoch, name);
  const key = footerKey(keys, epoch, head.subarray(12));
  const plaintext = openOnce(keys.engine, key, head, bytes.subarray(HEAD_LENGTH));
  if (plaintext === undefined) throw forged(name, 'authentication of its footer failed');
  return { epoch, ...readBody(plaintext, name) };
}

function readBody(plaintext: Uint8Array, name: string): Footer {
  const body = new DataView(plaintext.buffer, plaintext.byteOffset, BODY_LENGTH);
  const kind = body.getUint32(12, true);
  if (kind !== 1 && kind !== 2) throw forged(name, 'its footer has an unknown kind');
  const footer = {
    kind,
    directoryOffset: Number(body.getBigUint64(0, true)),
    directoryLength: body.getUint32(8, true),
    parityOffset: Number(body.getBigUint64(16, true)),
    parityLength: Number(body.getBigUint64(24, true)),
  } as const;
  const { directoryOffset, directoryLength, parityOffset, parityLength } = footer;
  if (
    directoryLength > MAX_DIRECTORY ||
    directoryOffset + directoryLength > MAX_PACK ||
    parityOffset + parityLength > MAX_PACK
  )
    throw forged(name, 'its footer exceeds the limits of a pack');
  return footer;
}

function footerKey(keys: RepositoryKeys, epoch: number, salt: Uint8Array): Uint8Array {
  return hkdf(keys.engine, keys.index(epoch), salt, 'varve/1/footer', 32);
}
