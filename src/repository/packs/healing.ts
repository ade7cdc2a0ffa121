import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { type Healing, healPack } from '../../parity/heal.js';
import type { Store } from '../../storage/store.js';
import { objectName } from '../repository.js';
import { readPack } from './pack-reading.js';

/**
 * What a pack's parity can do for a pack that is damaged, or that a disk does not give whole. No key is needed, and nothing is written.
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

/** Puts a healed pack in the place of the damaged one, unless that was removed meanwhile. */
export async function putHealed(store: Store, name: string, bytes: Buffer): Promise<void> {
  if ((await store.stat('data', name)) !== undefined) await store.replace('data', name, [bytes]);
}

/** Heals a pack by its parity. @returns whether it is what its name says since */
export async function heal(store: Store, name: string): Promise<boolean> {
  const healing = await findHealing(store, name);
  if (healing.kind !== 'healed') return false;
  await putHealed(store, name, healing.bytes);
  return true;
}
