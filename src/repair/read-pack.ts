import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import type { Store } from '../storage/store.js';

/** Bytes that are taken for zeros when any of them cannot be read: a disk loses a sector, seldom more. */
const PIECE = 64 * 1024;

/**
 * All of a pack that its store gives: undefined when it is missing, with zeros where it cannot be read.
 *
 * @param keep takes it from a cache, where there is one that has it
 */
export async function readPack(store: Store, name: string, keep = false): Promise<Buffer | undefined> {
  try {
    return await store.get('data', name, undefined, { keep });
  } catch (cause) {
    const { code } = VarveError.from(cause);
    if (code === 'not-found') return undefined;
    if (code !== 'storage') throw cause;
    return readPieces(store, name);
  }
}

async function readPieces(store: Store, name: string): Promise<Buffer | undefined> {
  const info = await store.stat('data', name);
  if (info === undefined) return undefined;
  const bytes = Buffer.alloc(info.size);
  for (let offset = 0; offset < info.size; offset += PIECE) {
    const length = Math.min(PIECE, info.size - offset);
    try {
      bytes.set(await store.get('data', name, { offset, length }), offset);
    } catch (cause) {
      if (VarveError.from(cause).code !== 'storage') throw cause;
    }
  }
  return bytes;
}
