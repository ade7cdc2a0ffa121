// Key slots: create, open, rewrap, reseal and rotate (SPEC.md section 4).
// repository/keys/ reads and writes the objects.
import { toHex } from '../bytes/hex.js';
import { asArray, asInt, asText, decode, encode } from '../bytes/msgpack.js';
import { equalBytes, u32 } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import {
  asCertificateBytes,
  type Certificate,
  type CertificateBytes,
  certify,
  MAX_NAME,
  slotIdOf,
  verifyCertificate,
} from './certificate.js';
import { ascii, type CryptoEngine, forged, join, openOnce, sealOnce } from './engine.js';
import { deriveEpoch, exportKeys, RepositoryKeys, type Role, roleError } from './hierarchy.js';
import { nativeEngine } from './native.js';
import { openObject, sealObject } from './sealed.js';
import type { Identity } from './signed.js';
import {
  DEFAULT_LOG2N,
  encodeSlot,
  newProtection,
  type Protection,
  parseSlot,
  type SlotFile,
  type Unlock,
  wrappingKey,
} from './slot-file.js';
import { type Anchor, chainMessage, openSecrets, sealSecrets } from './slot-secrets.js';

export type { Protection, Unlock } from './slot-file.js';

const WRAP_LABEL = ascii('varve/1/slot');

export interface Card {
  readonly slot: Uint8Array;
  readonly role: Role;
  readonly user: string;
  readonly host: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** The newest epoch whose keys this slot has. */
  readonly epoch: number;
  readonly certificate: Certificate;
  readonly certificateBytes: CertificateBytes;
}

export interface NewSlot {
  readonly role: Role;
  readonly unlock: Unlock;
  readonly user: string;
  readonly host: string;
  /** The hosts that its snapshots may be of; undefined for any. */
  readonly hosts?: readonly string[] | undefined;
  /** Seconds since 1970. */
  readonly created: number;
  /** scrypt's cost; from calibrateLogN, and less than 17 in tests only. */
  readonly logN?: number;
}

export interface CreatedSlot {
  readonly bytes: Uint8Array;
  readonly slotId: Uint8Array;
  readonly identity: Identity;
}

export interface OpenedSlot {
  readonly keys: RepositoryKeys;
  readonly identity: Identity;
}

type SlotKeys = Pick<Identity, 'slot' | 'boxPrivate' | 'signSeed'>;

/** A new object for `keys/`. Needs a full key. */
export async function createSlot(keys: RepositoryKeys, options: NewSlot): Promise<CreatedSlot> {
  keys.requireRole('full', 'add keys');
  const { engine } = keys;
  const { role } = options;
  const user = options.user.slice(0, MAX_NAME);
  const host = options.host.slice(0, MAX_NAME);
  const boxPrivate = engine.randomBytes(32);
  const signSeed = engine.randomBytes(32);
  const boxPublic = engine.x25519Public(boxPrivate);
  const signPublic = engine.ed25519Public(signSeed);
  const slot = slotIdOf(engine, signPublic, boxPublic);
  const label = `${user}@${host}`;
  const hosts = options.hosts?.map((each) => each.slice(0, MAX_NAME));
  const certificateBytes = certify(keys, { slot, role, signPublic, boxPublic, label, hosts });
  const certificate = verifyCertificate(keys, certificateBytes, 'new key');
  const identity: Identity = { slot, boxPrivate, signSeed, certificateBytes, certificate };
  const wrapping = await wrap(keys, identity, options.unlock, options.logN ?? DEFAULT_LOG2N);
  const secrets = sealSecrets(keys, slot, boxPublic, role);
  const card = sealObject(keys, 'card', encode([certificateBytes, user, host, options.created]));
  return { bytes: encodeSlot({ slot, ...wrapping, secrets, card }), slotId: slot, identity };
}

async function wrap(
  keys: RepositoryKeys,
  own: SlotKeys,
  unlock: Unlock,
  log2N: number,
): Promise<Pick<SlotFile, 'protection' | 'wrapped'>> {
  const { engine, newestEpoch } = keys;
  const protection = newProtection(engine, unlock, log2N);
  const key = await wrappingKey(engine, protection, unlock, 'new key');
  const plaintext = join(own.boxPrivate, own.signSeed, u32(newestEpoch), keys.rootPublic(newestEpoch));
  // The salt is fresh, so the key seals this alone.
  return { protection, wrapped: sealOnce(engine, key, join(WRAP_LABEL, own.slot), plaintext) };
}

/** How a slot is opened; throws for parameters out of bounds. */
export function slotProtection(bytes: Uint8Array, name: string): Protection {
  return parseSlot(bytes, name).protection;
}

/** The slot's id, unauthenticated: for telling objects of one slot apart from others. */
export function slotIdIn(bytes: Uint8Array, name: string): Uint8Array {
  return parseSlot(bytes, name).slot;
}

/** The epoch that its card states, unauthenticated: of several objects of one slot the newest is to be tried first. */
export function slotEpochIn(bytes: Uint8Array, name: string): number {
  const { card } = parseSlot(bytes, name);
  return card.length < 12 ? 0 : new DataView(card.buffer, card.byteOffset).getUint32(8, true);
}

/**
 * Opens a slot and verifies all that it holds. Throws 'wrong-password' when the password or key file does not fit.
 * Whether a newer epoch has been seen before is the caller's to check against keys.newestEpoch.
 */
export async function openSlot(
  bytes: Uint8Array,
  unlock: Unlock,
  name: string,
  engine: CryptoEngine = nativeEngine,
): Promise<OpenedSlot> {
  const file = parseSlot(bytes, name);
  const key = await wrappingKey(engine, file.protection, unlock, name);
  const { own, anchor } = unwrap(engine, file, key, name);
  const keys = openSecrets(engine, own.slot, own.boxPrivate, anchor, file.secrets, name);
  const card = openCard(keys, file, name);
  if (card.epoch !== keys.newestEpoch) throw forged(name, 'its card and its secrets are of different epochs');
  if (card.role !== keys.role) throw forged(name, 'its certificate states another role than its secrets');
  return { keys, identity: { ...own, certificateBytes: card.certificateBytes, certificate: card.certificate } };
}

/**
 * The keys in a later object of the slot that is open, without its password: they are verified from the newest root key that is known.
 *
 * @returns undefined when the object is another slot's, or has nothing newer
 */
export function openNewerKeys(
  { keys, identity }: OpenedSlot,
  bytes: Uint8Array,
  name: string,
): RepositoryKeys | undefined {
  const file = parseSlot(bytes, name);
  const { newestEpoch } = keys;
  if (!equalBytes(file.slot, identity.slot) || slotEpochIn(bytes, name) <= newestEpoch) return undefined;
  const anchor = { epoch: newestEpoch, rootPublic: keys.rootPublic(newestEpoch) };
  const newer = openSecrets(keys.engine, identity.slot, identity.boxPrivate, anchor, file.secrets, name);
  if (newer.role !== keys.role || !equalBytes(newer.repository, keys.repository))
    throw forged(name, 'its secrets are of another role or repository');
  if (openCard(newer, file, name).epoch !== newer.newestEpoch)
    throw forged(name, 'its card and its secrets are of different epochs');
  return newer;
}

function unwrap(
  engine: CryptoEngine,
  file: SlotFile,
  key: Uint8Array,
  name: string,
): { own: SlotKeys; anchor: Anchor } {
  const plaintext = openOnce(engine, key, join(WRAP_LABEL, file.slot), file.wrapped);
  if (plaintext === undefined) {
    const what = file.protection.kind === 'scrypt' ? 'wrong password' : 'wrong key file';
    throw new VarveError('wrong-password', `${name}: ${what}`);
  }
  const boxPrivate = plaintext.slice(0, 32);
  const signSeed = plaintext.slice(32, 64);
  const slot = slotIdOf(engine, engine.ed25519Public(signSeed), engine.x25519Public(boxPrivate));
  if (!equalBytes(slot, file.slot)) throw forged(name, 'its id is not that of its keys');
  const epoch = new DataView(plaintext.buffer, plaintext.byteOffset).getUint32(64, true);
  return { own: { slot, boxPrivate, signSeed }, anchor: { epoch, rootPublic: plaintext.slice(68, 100) } };
}

function openCard(keys: RepositoryKeys, file: SlotFile, name: string): Card {
  const what = `${name}: card`;
  const { epoch, plaintext } = openObject(keys, 'card', file.card, what);
  const fields = asArray(decode(plaintext, what), 4, what);
  const [payload, signature] = asCertificateBytes(fields[0], what);
  const certificate = verifyCertificate(keys, fields[0], what);
  if (!equalBytes(certificate.slot, file.slot)) throw forged(name, 'its card is that of another key');
  return {
    slot: certificate.slot,
    role: certificate.role,
    user: asText(fields[1], what, MAX_NAME),
    host: asText(fields[2], what, MAX_NAME),
    created: asInt(fields[3], what),
    epoch,
    certificate,
    certificateBytes: [new Uint8Array(payload), new Uint8Array(signature)],
  };
}

/** Whose slot it is, for `key list`: any role may see that. */
export function readCard(keys: RepositoryKeys, bytes: Uint8Array, name: string): Card {
  return openCard(keys, parseSlot(bytes, name), name);
}

/** What becomes of a slot, beside its password. */
export interface SlotChange {
  readonly logN?: number;
  readonly user?: string;
  readonly host?: string;
}

/** `key passwd`: the same slot under a new password or key file, anchored at the newest epoch. */
export async function rewrapSlot(
  opened: OpenedSlot,
  oldBytes: Uint8Array,
  unlock: Unlock,
  name: string,
  { logN = DEFAULT_LOG2N, ...owner }: SlotChange = {},
): Promise<Uint8Array> {
  const { keys, identity } = opened;
  const file = parseSlot(oldBytes, name);
  if (!equalBytes(file.slot, identity.slot)) throw new VarveError('internal', `${name}: is another key's slot`);
  const card = openCard(keys, file, name);
  if (card.epoch !== keys.newestEpoch) throw forged(name, 'it is of an older epoch');
  const wrapped = await wrap(keys, identity, unlock, logN);
  return encodeSlot({ ...file, ...wrapped, card: sealCard(keys, { ...card, ...owner }) });
}

/**
 * A slot with the secrets of these (full) keys, without its password: after `rotateKeys` or `withRevoked`. A revoked
 * slot, or one that an earlier rotation left out, is refused: the storage may have brought a removed slot back.
 */
export function resealSlot(keys: RepositoryKeys, oldBytes: Uint8Array, name: string): Uint8Array {
  keys.requireRole('full', 'rotate keys');
  const file = parseSlot(oldBytes, name);
  const card = openCard(keys, file, name);
  const { certificate } = card;
  if (keys.revoked.some((entry) => equalBytes(entry.slot, card.slot)))
    throw new VarveError('role', `${name}: key ${toHex(card.slot)} (${certificate.label}) is revoked; delete it`);
  if (card.epoch < keys.newestEpoch - 1)
    throw new VarveError(
      'role',
      `${name}: key ${toHex(card.slot)} (${certificate.label}) was left out of the last rotation; ` +
        'delete it, and add a new key if it is still wanted',
    );
  const secrets = sealSecrets(keys, card.slot, certificate.boxPublic, card.role);
  return encodeSlot({ ...file, secrets, card: sealCard(keys, card) });
}

function sealCard(keys: RepositoryKeys, { certificateBytes, user, host, created }: Card): Uint8Array {
  return sealObject(keys, 'card', encode([certificateBytes, user, host, created]));
}

/** The next epoch: a new master secret, its root key signed by the present one. */
export function rotateKeys(keys: RepositoryKeys): RepositoryKeys {
  const { engine, newestEpoch } = keys;
  const seed = keys.rootSeed(newestEpoch);
  if (seed === undefined) throw roleError(keys.role, 'full', 'rotate keys');
  const state = exportKeys(keys);
  const next = deriveEpoch(engine, engine.randomBytes(32));
  const epoch = newestEpoch + 1;
  const signature = engine.ed25519Sign(seed, chainMessage(keys.repository, epoch, next.rootPublic));
  const link = { epoch, rootPublic: next.rootPublic, signature };
  return new RepositoryKeys({ ...state, epochs: [...state.epochs, next], chain: [...state.chain, link] }, engine);
}
