import { createHash } from 'node:crypto';
import type { CryptoEngine } from '../../src/crypto/engine.js';
import { createRepositoryKeys, type RepositoryKeys, type Role } from '../../src/crypto/hierarchy.js';
import { nativeEngine } from '../../src/crypto/native.js';
import { type CreatedSlot, createSlot, type OpenedSlot, openSlot } from '../../src/crypto/slot.js';

/** An engine whose random bytes follow from the seed; `drawn` lists them in order. */
export function seededEngine(base: CryptoEngine, seed: string): CryptoEngine & { readonly drawn: Uint8Array[] } {
  const drawn: Uint8Array[] = [];
  const randomBytes = (length: number): Uint8Array => {
    const parts = [];
    for (let i = 0; i * 32 < length; i++)
      parts.push(createHash('sha256').update(`${seed}/${drawn.length}/${i}`).digest());
    const bytes = new Uint8Array(Buffer.concat(parts).subarray(0, length));
    drawn.push(bytes);
    return bytes;
  };
  return { ...base, randomBytes, drawn };
}

export interface Member extends OpenedSlot {
  readonly bytes: Uint8Array;
  readonly created: CreatedSlot;
  readonly password: string;
}

export interface Ring {
  /** As `init` has them, before any slot. */
  readonly root: RepositoryKeys;
  readonly append: Member;
  readonly manage: Member;
  readonly full: Member;
}

export async function member(root: RepositoryKeys, role: Role): Promise<Member> {
  const password = `the password of ${role}`;
  const created = await createSlot(root, {
    role,
    unlock: { password },
    user: role,
    host: 'example',
    created: 1_700_000_000,
    logN: 10,
  });
  const opened = await openSlot(created.bytes, { password }, `keys/${role}`, root.engine);
  return { ...opened, bytes: created.bytes, created, password };
}

/** A repository with a slot of each role. */
export async function newRing(engine: CryptoEngine = nativeEngine): Promise<Ring> {
  const root = createRepositoryKeys(engine).withConfig(engine.sha256(new Uint8Array()));
  return {
    root,
    append: await member(root, 'append'),
    manage: await member(root, 'manage'),
    full: await member(root, 'full'),
  };
}

/** Calls `check` with every single-byte change and some truncations and extensions of the bytes. */
export function eachTampering(bytes: Uint8Array, check: (tampered: Uint8Array, what: string) => void): void {
  for (let i = 0; i < bytes.length; i++) {
    const copy = new Uint8Array(bytes);
    copy[i] = (copy[i] as number) ^ (1 << (i % 8));
    check(copy, `byte ${i} changed`);
  }
  for (let n = 0; n < bytes.length; n += n < 100 ? 1 : 37) check(bytes.slice(0, n), `cut to ${n}`);
  check(new Uint8Array(Buffer.concat([bytes, Buffer.alloc(1)])), 'one byte longer');
}
