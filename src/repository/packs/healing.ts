// Heals damaged packs by their parity.
// Which packs are damaged is left to check, copies of packs elsewhere to repair.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { type Healing, healPack } from '../../parity/heal.js';
import type { Store } from '../../storage/store.js';
import { objectName } from '../repository.js';
import { readPack } from './pack-reading.js';

/**
 * Finds out whether parity can heal a pack that is damaged or cannot be read whole. Needs no key, and writes nothing.
 *
 * @throws VarveError `not-found`
 */
export async function findHealing(store: Store, name: string): Promise<Healing> {
  const info = await store.stat('data', name);
  const reading = info === undefined ? undefined : await readPack(store, name, info.size);
  if (reading === undefined) throw new VarveError('not-found', `data/${name}: is missing`);
  if (reading.kind === 'unreadable') return { kind: 'none' };
  return objectName(reading.bytes) === name ? { kind: 'none' } : healPack(reading.bytes, name);
}

/** Replaces a damaged pack by the healed one, unless it was removed since. */
export async function putHealed(store: Store, name: string, bytes: Buffer): Promise<void> {
  if ((await store.stat('data', name)) !== undefined) await store.replace('data', name, [bytes]);
}

/** Heals a pack by its parity. @returns whether it is sound now */
export async function heal(store: Store, name: string): Promise<boolean> {
  const healing = await findHealing(store, name);
  if (healing.kind !== 'healed') return false;
  await putHealed(store, name, healing.bytes);
  return true;
}
