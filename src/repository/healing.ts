import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { MAX_PACK } from '../format/limits.js';
import { type Healing, healPack } from '../parity/heal.js';
import type { Store } from '../storage/store.js';
import { objectName } from './repository.js';

/** Bytes that are asked for at a time where a disk cannot read all of a pack. */
const PIECE = 64 * 1024;

/**
 * What a pack's parity can do for a pack that is damaged. No key is needed, and nothing is written.
 *
 * @throws VarveError `not-found`
 */
export async function findHealing(store: Store, name: string): Promise<Healing> {
  const info = await store.stat('data', name);
  if (info === undefined) throw new VarveError('not-found', `data/${name}: is missing`);
  if (info.size > MAX_PACK) return { kind: 'none' };
  const bytes = await readWhatCanBeRead(store, name, info.size);
  return objectName(bytes) === name ? { kind: 'none' } : healPack(bytes, name);
}

/** Puts a healed pack in the place of the damaged one, unless that was removed meanwhile. */
export async function putHealed(store: Store, name: string, bytes: Buffer): Promise<void> {
  if ((await store.stat('data', name)) !== undefined) await store.replace('data', name, [bytes]);
}

/** Zeros stand for what a disk does not give. */
async function readWhatCanBeRead(store: Store, name: string, size: number): Promise<Buffer> {
  const whole = await orNothing(store.get('data', name));
  if (whole !== undefined) return whole;
  const bytes = Buffer.alloc(size);
  for (let offset = 0; offset < size; offset += PIECE) {
    const length = Math.min(PIECE, size - offset);
    const piece = await orNothing(store.get('data', name, { offset, length }));
    piece?.copy(bytes, offset);
  }
  return bytes;
}

async function orNothing(reading: Promise<Buffer>): Promise<Buffer | undefined> {
  try {
    return await reading;
  } catch (cause) {
    if (cause instanceof VarveError && ['storage', 'damaged'].includes(cause.code)) return undefined;
    throw cause;
  }
}
