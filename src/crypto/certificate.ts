// Certificates of key slots: who may sign, in which role (SPEC.md section 4).
// signed.ts verifies payloads; hierarchy.ts holds the root keys.
import { asArray, asBytes, asText, asUint, decode, encode } from '../bytes/msgpack.js';
import { SLOT_ID_LENGTH } from '../bytes/pack-constants.js';
import { equalBytes } from '../bytes/views.js';
import { ascii, type CryptoEngine, forged, join } from './engine.js';
import { type RepositoryKeys, type Role, roleError } from './hierarchy.js';

export { SLOT_ID_LENGTH };
export const MAX_EPOCH = 2 ** 32 - 1;
const MAX_LABEL = 1024;
const MAX_HOSTS = 64;
/** UTF-16 code units of the name of a user or host. */
export const MAX_NAME = 256;
const CERTIFICATE_LABEL = ascii('varve/1/certificate\0');
const ROLES: readonly Role[] = ['append', 'manage', 'full'];

/** As it is stored: `[payload, signature]`. */
export type CertificateBytes = readonly [payload: Uint8Array, signature: Uint8Array];

export interface Certificate {
  readonly slot: Uint8Array;
  readonly role: Role;
  readonly signPublic: Uint8Array;
  readonly boxPublic: Uint8Array;
  /** The epoch whose root key signed it. */
  readonly epoch: number;
  /** user@host, for people. */
  readonly label: string;
  /** The hosts that its snapshots may be of; undefined for any. */
  readonly hosts: readonly string[] | undefined;
}

export function roleNumber(role: Role): number {
  return ROLES.indexOf(role) + 1;
}

export function asRole(value: unknown, name: string): Role {
  return ROLES[asUint(value, 3, name) - 1] ?? fail(name, 'it has an unknown role');
}

function fail(name: string, reason: string): never {
  throw forged(name, reason);
}

/** The slot's id follows from its public keys. */
export function slotIdOf(engine: CryptoEngine, signPublic: Uint8Array, boxPublic: Uint8Array): Uint8Array {
  return new Uint8Array(engine.sha256(signPublic, boxPublic)).slice(0, SLOT_ID_LENGTH);
}

function signedPart(keys: RepositoryKeys, payload: Uint8Array): Uint8Array {
  return join(CERTIFICATE_LABEL, keys.repository, payload);
}

/** Only a full key can. */
export function certify(keys: RepositoryKeys, certificate: Omit<Certificate, 'epoch'>): CertificateBytes {
  const epoch = keys.newestEpoch;
  const seed = keys.rootSeed(epoch);
  if (seed === undefined) throw roleError(keys.role, 'full', 'certify keys');
  const { slot, role, signPublic, boxPublic, label, hosts } = certificate;
  const text = label.slice(0, MAX_LABEL);
  const payload = encode([slot, roleNumber(role), signPublic, boxPublic, epoch, text, hosts ?? null]);
  return [new Uint8Array(payload), keys.engine.ed25519Sign(seed, signedPart(keys, payload))];
}

/** More than any repository has keys; beyond it, hostile input would only fill memory. */
const MAX_CACHED = 4096;
const verified = new WeakMap<RepositoryKeys, Map<string, Certificate>>();

export function asCertificateBytes(value: unknown, name: string): CertificateBytes {
  const [payload, signature] = asArray(value, 2, `${name}: certificate`);
  return [
    asBytes(payload, undefined, `${name}: certificate`),
    asBytes(signature, 64, `${name}: signature of the certificate`),
  ];
}

/** A certificate that this repository's root key signed. Each is verified once per key ring. */
export function verifyCertificate(keys: RepositoryKeys, value: unknown, name: string): Certificate {
  const [payload, signature] = asCertificateBytes(value, name);
  const known = verified.get(keys) ?? new Map<string, Certificate>();
  verified.set(keys, known);
  const cacheKey = Buffer.concat([signature, payload]).toString('latin1');
  const before = known.get(cacheKey);
  if (before !== undefined) return before;
  const certificate = parse(keys, payload, name);
  const root = keys.rootPublic(certificate.epoch);
  if (!keys.engine.ed25519Verify(root, signedPart(keys, payload), signature))
    throw forged(name, 'its certificate is not signed by this repository');
  if (known.size < MAX_CACHED) known.set(cacheKey, certificate);
  return certificate;
}

function parseHosts(value: unknown, what: string): readonly string[] | undefined {
  if (value === null) return undefined;
  const hosts = asArray(value, undefined, what).map((host) => asText(host, what, MAX_NAME));
  if (hosts.length === 0 || hosts.length > MAX_HOSTS) fail(what, 'it is for too few or too many hosts');
  return hosts;
}

function parse(keys: RepositoryKeys, payload: Uint8Array, name: string): Certificate {
  const what = `${name}: certificate`;
  const fields = asArray(decode(payload, what), 7, what);
  const certificate: Certificate = {
    slot: new Uint8Array(asBytes(fields[0], SLOT_ID_LENGTH, what)),
    role: asRole(fields[1], what),
    signPublic: new Uint8Array(asBytes(fields[2], 32, what)),
    boxPublic: new Uint8Array(asBytes(fields[3], 32, what)),
    epoch: asUint(fields[4], MAX_EPOCH, what),
    label: asText(fields[5], what, MAX_LABEL),
    hosts: parseHosts(fields[6], what),
  };
  if (!equalBytes(certificate.slot, slotIdOf(keys.engine, certificate.signPublic, certificate.boxPublic)))
    throw forged(name, 'its certificate names another slot');
  if (certificate.epoch === 0 || certificate.epoch > keys.newestEpoch)
    throw forged(name, 'its certificate is of an unknown epoch');
  return certificate;
}
