// The sealed secrets of a key slot (SPEC.md section 4).
// slot.ts combines them with card and protection.
import { asArray, asBytes, asInt, asUint, decode, encode } from '../bytes/msgpack.js';
import { equalBytes, u32 } from '../bytes/views.js';
import { asRole, MAX_EPOCH, roleNumber, SLOT_ID_LENGTH } from './certificate.js';
import { agree, ascii, type CryptoEngine, forged, hkdf, join, openOnce, sealOnce } from './engine.js';
import {
  type ChainLink,
  deriveEpoch,
  deriveRepository,
  type EpochKeys,
  type ExportedKeys,
  RepositoryKeys,
  type Revocation,
  type Role,
  roleError,
} from './hierarchy.js';

/** The root public key that a slot trusts from the day it was wrapped. */
export interface Anchor {
  readonly epoch: number;
  readonly rootPublic: Uint8Array;
}

const SECRETS_INFO = 'varve/1/slot-secrets';
const SECRETS_LABEL = ascii('varve/1/slot-secrets\0');
const CHAIN_LABEL = ascii('varve/1/root-chain\0');
const MATERIAL_LENGTH = 160;
const FULL_MATERIAL_LENGTH = 32;
const PADDING = 1024;

export function chainMessage(repository: Uint8Array, epoch: number, rootPublic: Uint8Array): Uint8Array {
  return join(CHAIN_LABEL, repository, u32(epoch), rootPublic);
}

function material(keys: RepositoryKeys, role: Role, e: number): Uint8Array {
  const { auth, index, metaPublic, metaPrivate, contentPublic, rootPublic, master } = keys.epoch(e);
  const wanted = role === 'full' ? master : role === 'manage' ? metaPrivate : metaPublic;
  if (wanted === undefined) throw roleError(keys.role, 'full', `make a ${role} key`);
  return role === 'full' ? wanted : join(auth, index, wanted, contentPublic, rootPublic);
}

/** What a role gets to know, signed by the newest root key and sealed to a slot's public key. */
export function sealSecrets(keys: RepositoryKeys, slot: Uint8Array, boxPublic: Uint8Array, role: Role): Uint8Array {
  const { engine, newestEpoch } = keys;
  const seed = keys.rootSeed(newestEpoch);
  if (seed === undefined) throw roleError(keys.role, 'full', 'certify keys');
  const epochs = [];
  for (let e = 1; e <= newestEpoch; e++) epochs.push([e, material(keys, role, e)]);
  const chain = keys.chain.map((link) => [link.epoch, link.rootPublic, link.signature]);
  const revoked = keys.revoked.map((entry) => [entry.slot, entry.since]);
  const { repository, id, gear, configs } = keys;
  const payload = encode([roleNumber(role), repository, id, gear, epochs, chain, revoked, configs]);
  const signature = engine.ed25519Sign(seed, join(SECRETS_LABEL, slot, payload));
  const ephemeral = engine.randomBytes(32);
  const ephemeralPublic = engine.x25519Public(ephemeral);
  const shared = agree(engine, ephemeral, boxPublic, 'key slot');
  const key = secretsKey(engine, shared, ephemeralPublic, boxPublic);
  return join(ephemeralPublic, sealOnce(engine, key, slot, pad(encode([payload, signature]), role, newestEpoch)));
}

/** u32 length ‖ bytes ‖ zeros, to a length that is the same for every role. */
function pad(bytes: Uint8Array, role: Role, epochs: number): Uint8Array {
  const shorter = role === 'full' ? epochs * (MATERIAL_LENGTH - FULL_MATERIAL_LENGTH) : 0;
  const out = new Uint8Array(Math.ceil((4 + bytes.length + shorter) / PADDING) * PADDING);
  out.set(u32(bytes.length));
  out.set(bytes, 4);
  return out;
}

function secretsKey(
  engine: CryptoEngine,
  shared: Uint8Array,
  ephemeralPublic: Uint8Array,
  boxPublic: Uint8Array,
): Uint8Array {
  return hkdf(engine, shared, join(ephemeralPublic, boxPublic), SECRETS_INFO, 32);
}

/** Opens and verifies, from the anchor over the chain, before anything of it is believed. */
export function openSecrets(
  engine: CryptoEngine,
  slot: Uint8Array,
  boxPrivate: Uint8Array,
  anchor: Anchor,
  secrets: Uint8Array,
  name: string,
): RepositoryKeys {
  if (secrets.length < 32) throw forged(name, 'its secrets are too short');
  const ephemeral = secrets.subarray(0, 32);
  const shared = agree(engine, boxPrivate, ephemeral, name);
  const key = secretsKey(engine, shared, ephemeral, engine.x25519Public(boxPrivate));
  const padded = openOnce(engine, key, slot, secrets.subarray(32));
  if (padded === undefined) throw forged(name, 'authentication of its secrets failed');
  const what = `${name}: secrets`;
  const length = padded.length < 4 ? -1 : new DataView(padded.buffer, padded.byteOffset).getUint32(0, true);
  if (length < 0 || length > padded.length - 4) throw forged(name, 'its secrets are cut short');
  const [first, second] = asArray(decode(padded.subarray(4, 4 + length), what), 2, what);
  const payload = asBytes(first, undefined, what);
  const state = parsePayload(engine, payload, name);
  verifyChain(engine, state, anchor, name);
  const root = (state.epochs.at(-1) as EpochKeys).rootPublic;
  if (!engine.ed25519Verify(root, join(SECRETS_LABEL, slot, payload), asBytes(second, 64, what)))
    throw forged(name, 'its secrets are not signed by this repository');
  return new RepositoryKeys(state, engine);
}

function parsePayload(engine: CryptoEngine, payload: Uint8Array, name: string): ExportedKeys {
  const what = `${name}: secrets`;
  const fields = asArray(decode(payload, what), 8, what);
  const role = asRole(fields[0], what);
  const epochs = asArray(fields[4], undefined, what).map((entry, i) => parseEpoch(engine, role, entry, i + 1, what));
  const chain = asArray(fields[5], undefined, what).map((entry, i) => parseLink(entry, i + 2, what));
  const first = epochs[0];
  if (first === undefined || chain.length !== epochs.length - 1) throw forged(name, 'its epochs have gaps');
  const stated = {
    repository: asBytes(fields[1], 32, what),
    id: asBytes(fields[2], 32, what),
    gear: asBytes(fields[3], 32, what),
  };
  if (first.master !== undefined) {
    const derived = deriveRepository(engine, first.master);
    for (const key of ['repository', 'id', 'gear'] as const)
      if (!equalBytes(derived[key], stated[key])) throw forged(name, `its ${key} is not the derived one`);
  }
  const revoked = asArray(fields[6], undefined, what).map((entry) => parseRevocation(entry, what));
  const configs = asArray(fields[7], undefined, what).map((hash) => asBytes(hash, 32, what));
  if (configs.length < 1 || configs.length > 2) throw forged(name, 'it does not say which config is its own');
  return { role, ...stated, epochs, chain, revoked, configs };
}

function parseEpoch(engine: CryptoEngine, role: Role, value: unknown, e: number, what: string): EpochKeys {
  const fields = asArray(value, 2, what);
  if (asUint(fields[0], MAX_EPOCH, what) !== e) throw forged(what, 'its epochs have gaps');
  if (role === 'full') return deriveEpoch(engine, asBytes(fields[1], FULL_MATERIAL_LENGTH, what));
  const bytes = asBytes(fields[1], MATERIAL_LENGTH, what);
  const part = (i: number) => bytes.subarray(32 * i, 32 * i + 32);
  const metaPrivate = role === 'manage' ? part(2) : undefined;
  return {
    auth: part(0),
    index: part(1),
    metaPublic: metaPrivate === undefined ? part(2) : engine.x25519Public(metaPrivate),
    metaPrivate,
    contentPublic: part(3),
    contentPrivate: undefined,
    rootPublic: part(4),
    rootSeed: undefined,
    master: undefined,
  };
}

function parseLink(value: unknown, e: number, what: string): ChainLink {
  const fields = asArray(value, 3, what);
  if (asUint(fields[0], MAX_EPOCH, what) !== e) throw forged(what, 'its chain has gaps');
  return { epoch: e, rootPublic: asBytes(fields[1], 32, what), signature: asBytes(fields[2], 64, what) };
}

function parseRevocation(value: unknown, what: string): Revocation {
  const fields = asArray(value, 2, what);
  return { slot: asBytes(fields[0], SLOT_ID_LENGTH, what), since: asInt(fields[1], what) };
}

/** Every epoch's root key is signed by the one before, and the anchor is one of them. */
function verifyChain(engine: CryptoEngine, state: ExportedKeys, anchor: Anchor, name: string): void {
  const root = (e: number) => state.epochs[e - 1]?.rootPublic;
  const anchored = root(anchor.epoch);
  if (anchored === undefined)
    throw forged(name, `it was rolled back: its secrets end before epoch ${anchor.epoch}, which this key has seen`);
  if (!equalBytes(anchored, anchor.rootPublic)) throw forged(name, 'its secrets are not those of this repository');
  for (const { epoch, rootPublic, signature } of state.chain) {
    const stated = root(epoch);
    const previous = root(epoch - 1) as Uint8Array;
    const message = chainMessage(state.repository, epoch, rootPublic);
    if (stated === undefined || !equalBytes(stated, rootPublic) || !engine.ed25519Verify(previous, message, signature))
      throw forged(name, `the root key of its epoch ${epoch} is not signed by the one before`);
  }
}
