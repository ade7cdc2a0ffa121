// The outer form of a key slot, and how a password protects it (SPEC.md section 4).
// slot.ts opens what is inside.
import { asArray, asBytes, asBytesUpTo, asUint, decode, encode } from '../bytes/msgpack.js';
import { VarveError } from '../errors/errors.js';
import { SLOT_ID_LENGTH } from './certificate.js';
import { ascii, type CryptoEngine, forged, hkdf, join } from './engine.js';

/** How a slot's private keys are wrapped. */
export type Protection =
  | {
      readonly kind: 'scrypt';
      readonly log2N: number;
      readonly r: number;
      readonly p: number;
      readonly salt: Uint8Array;
    }
  | { readonly kind: 'keyfile'; readonly salt: Uint8Array };

/** What opens a slot: a password, or the 32 bytes of a key file. */
export type Unlock = { readonly password: string } | { readonly keyFile: Uint8Array };

/** An object in `keys/`, taken apart. */
export interface SlotFile {
  readonly slot: Uint8Array;
  readonly protection: Protection;
  readonly wrapped: Uint8Array;
  readonly secrets: Uint8Array;
  readonly card: Uint8Array;
}

/** scrypt takes 128 · r · 2^log2N bytes of memory: 128 MiB for 17, 1 GiB for 20. */
export const MIN_LOG2N = 10;
export const DEFAULT_LOG2N = 17;
export const MAX_LOG2N = 20;
const R = 8;
const MAX_P = 4;
const SALT_LENGTH = 32;

export const WRAPPED_LENGTH = 116;
const MAX_SLOT_FILE = 64 * 1024;
const MAGIC = Uint8Array.of(...ascii('VRVE'), 1, 7, 0, 0);

export function encodeSlot(file: SlotFile): Uint8Array {
  const { slot, protection: by, wrapped, secrets, card } = file;
  const protection = by.kind === 'scrypt' ? ['scrypt', by.log2N, by.r, by.p, by.salt] : ['keyfile', by.salt];
  const bytes = join(MAGIC, encode([slot, protection, wrapped, secrets, card]));
  if (bytes.length > MAX_SLOT_FILE) throw new VarveError('internal', 'the key slot exceeds 64 KiB: too many epochs');
  return bytes;
}

/** Nothing in it is authenticated yet. */
export function parseSlot(bytes: Uint8Array, name: string): SlotFile {
  if (bytes.length > MAX_SLOT_FILE) throw forged(name, 'it is too long for a key');
  if (bytes.length < MAGIC.length || MAGIC.some((byte, i) => bytes[i] !== byte)) throw forged(name, 'it is no key');
  const fields = asArray(decode(bytes, name, MAGIC.length), 5, name);
  return {
    slot: asBytes(fields[0], SLOT_ID_LENGTH, name),
    protection: parseProtection(fields[1], `${name}: protection`),
    wrapped: asBytes(fields[2], WRAPPED_LENGTH, name),
    secrets: asBytesUpTo(fields[3], MAX_SLOT_FILE, name),
    card: asBytesUpTo(fields[4], MAX_SLOT_FILE, name),
  };
}

function parseProtection(value: unknown, what: string): Protection {
  const fields = asArray(value, undefined, what);
  if (fields[0] === 'keyfile') {
    asArray(fields, 2, what);
    return { kind: 'keyfile', salt: asBytes(fields[1], SALT_LENGTH, what) };
  }
  if (fields[0] !== 'scrypt') throw forged(what, 'it is of an unknown kind');
  asArray(fields, 5, what);
  const [log2N, r, p] = [asUint(fields[1], 255, what), asUint(fields[2], 255, what), asUint(fields[3], 255, what)];
  checkScrypt(log2N, r, p, what);
  return { kind: 'scrypt', log2N, r, p, salt: asBytes(fields[4], SALT_LENGTH, what) };
}

function checkScrypt(log2N: number, r: number, p: number, what: string): void {
  if (log2N < MIN_LOG2N || log2N > MAX_LOG2N || r !== R || p < 1 || p > MAX_P)
    throw new VarveError('damaged', `${what}: refused scrypt parameters out of bounds: log2N ${log2N}, r ${r}, p ${p}`);
}

/** Bytes of memory that deriving the key takes. */
export function scryptMemory({ log2N, r }: { readonly log2N: number; readonly r: number }): number {
  return 128 * r * 2 ** log2N;
}

/** Fresh salt for a new wrapping. */
export function newProtection(engine: CryptoEngine, unlock: Unlock, log2N: number): Protection {
  const salt = engine.randomBytes(SALT_LENGTH);
  if ('keyFile' in unlock) return { kind: 'keyfile', salt };
  checkScrypt(log2N, R, 1, 'new key');
  return { kind: 'scrypt', log2N, r: R, p: 1, salt };
}

/** W of SPEC.md section 4. Costs a quarter of a second and 128 MiB for a password, by design. */
export async function wrappingKey(
  engine: CryptoEngine,
  protection: Protection,
  unlock: Unlock,
  name: string,
): Promise<Uint8Array> {
  if (protection.kind === 'keyfile') {
    if (!('keyFile' in unlock))
      throw new VarveError('wrong-password', `${name}: opens with a key file, not a password`);
    if (unlock.keyFile.length !== 32) throw new VarveError('usage', 'a key file must have exactly 32 bytes');
    return hkdf(engine, unlock.keyFile, protection.salt, 'varve/1/keyfile', 32);
  }
  if (!('password' in unlock)) throw new VarveError('wrong-password', `${name}: opens with a password, not a key file`);
  const { salt, log2N, r, p } = protection;
  checkScrypt(log2N, r, p, name);
  return await engine.scrypt(new TextEncoder().encode(unlock.password.normalize('NFC')), salt, log2N, r, p);
}

/** The largest log2N, 17 to 20, at which opening takes no longer than the target on this machine. */
export async function calibrateLogN(engine: CryptoEngine, targetMs = 250): Promise<number> {
  const trial = 14;
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    await engine.scrypt(new Uint8Array(8), new Uint8Array(SALT_LENGTH), trial, R, 1);
    fastest = Math.min(fastest, performance.now() - start);
  }
  const fitting = trial + Math.floor(Math.log2(targetMs / fastest));
  return Math.min(MAX_LOG2N, Math.max(DEFAULT_LOG2N, fitting));
}
