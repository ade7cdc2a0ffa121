// Signed payloads of index objects, snapshots, leases and pack directories (SPEC.md section 6).
// sealed.ts encrypts them; certificate.ts knows the signers.
import { asArray, asBytes, decode, encode } from '../bytes/msgpack.js';
import { equalBytes, u32 } from '../bytes/views.js';
import { type Certificate, type CertificateBytes, verifyCertificate } from './certificate.js';
import { ascii, forged, join } from './engine.js';
import type { RepositoryKeys } from './hierarchy.js';

export type SignedKind = 'index' | 'snapshot' | 'lease' | 'directory';

/** Who writes: a slot's own private keys and the certificate that the repository gave it. Survives structured clone. */
export interface Identity {
  readonly slot: Uint8Array;
  readonly boxPrivate: Uint8Array;
  readonly signSeed: Uint8Array;
  readonly certificateBytes: CertificateBytes;
  readonly certificate: Certificate;
}

export interface OpenedSigned {
  /** A view of the input. */
  readonly payload: Uint8Array;
  readonly certificate: Certificate;
}

const LABELS: Record<SignedKind, Uint8Array> = {
  index: ascii('varve/1/sign/index\0'),
  snapshot: ascii('varve/1/sign/snapshot\0'),
  lease: ascii('varve/1/sign/lease\0'),
  directory: ascii('varve/1/sign/directory\0'),
};

function message(keys: RepositoryKeys, kind: SignedKind, epoch: number, payload: Uint8Array): Uint8Array {
  return join(LABELS[kind], keys.repository, u32(epoch), keys.engine.sha256(payload));
}

/** Bytes that signing adds to a payload, at most. */
export function signedOverhead({ certificateBytes: [payload, signature] }: Identity): number {
  return payload.length + 2 * signature.length + 32;
}

/** The plaintext of a sealed object of this kind and epoch: SPEC.md section 6. */
export function signPayload(
  keys: RepositoryKeys,
  identity: Identity,
  kind: SignedKind,
  epoch: number,
  payload: Uint8Array,
): Uint8Array {
  const signature = keys.engine.ed25519Sign(identity.signSeed, message(keys, kind, epoch, payload));
  return encode([identity.certificateBytes, signature, payload]);
}

/** The payload and its signer; `epoch` is the sealed object's epoch. The caller checks whether the signer is revoked. */
export function openSigned(
  keys: RepositoryKeys,
  kind: SignedKind,
  epoch: number,
  bytes: Uint8Array,
  name: string,
): OpenedSigned {
  const fields = asArray(decode(bytes, name), 3, name);
  const certificate = verifyCertificate(keys, fields[0], name);
  const signature = asBytes(fields[1], 64, `${name}: signature`);
  const payload = asBytes(fields[2], undefined, name);
  if (!keys.engine.ed25519Verify(certificate.signPublic, message(keys, kind, epoch, payload), signature))
    throw forged(name, `its signature is not that of ${certificate.label}`);
  return { payload, certificate };
}

/** Whether a slot is revoked: now, or at a stated time (seconds). */
export function isRevoked(keys: RepositoryKeys, slot: Uint8Array, seconds = Number.POSITIVE_INFINITY): boolean {
  return keys.revoked.some((entry) => equalBytes(entry.slot, slot) && seconds >= entry.since);
}
