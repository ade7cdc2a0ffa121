import { Buffer } from 'node:buffer';
import { isBroken, isUnreadable, VarveError } from '../../errors/errors.js';
import { MAX_PACK } from '../../format/limits.js';
import type { Store } from '../../storage/store.js';

/** What a store gives of a pack that may be damaged, and what it does not give. */

/** Bytes that are asked for at a time where a disk cannot read all of a pack: it loses a sector, seldom more. */
const PIECE = 64 * 1024;
/** Pieces at the beginning that fail, one after another, before nothing more is tried. */
const MAX_FAILED = 64;

export type PackReading =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  /** Zeros stand for what could not be read: only a hash can prove what anybody makes of these bytes. */
  | { readonly kind: 'partly'; readonly bytes: Buffer; readonly error: VarveError }
  /** Nothing is known of it: it may be sound. */
  | { readonly kind: 'unreadable'; readonly error: VarveError };

/**
 * Reads a pack, piece by piece where a disk does not give all of it.
 *
 * @returns undefined when it is gone
 */
export async function readPack(store: Store, name: string, size: number): Promise<PackReading | undefined> {
  if (size > MAX_PACK)
    return { kind: 'unreadable', error: new VarveError('storage', `data/${name}: too large for a pack`) };
  try {
    return { kind: 'whole', bytes: await store.get('data', name) };
  } catch (cause) {
    const error = VarveError.from(cause);
    if (error.code === 'not-found') return undefined;
    if (!isUnreadable(error)) throw cause;
    // Pieces are refused as the whole is, and what a second try can help was tried again.
    if (error.code === 'denied' || error.retryable) return { kind: 'unreadable', error };
    return readPieces(store, name, size, error);
  }
}

async function readPieces(store: Store, name: string, size: number, error: VarveError): Promise<PackReading> {
  const bytes = Buffer.alloc(size);
  let read = 0;
  let failed = 0;
  for (let offset = 0; offset < size && (read > 0 || failed < MAX_FAILED); offset += PIECE) {
    const length = Math.min(PIECE, size - offset);
    try {
      bytes.set(await store.get('data', name, { offset, length }), offset);
      read++;
    } catch (cause) {
      if (!isUnreadable(cause) && !isBroken(cause)) throw cause;
      failed++;
    }
  }
  return read > 0 ? { kind: 'partly', bytes, error } : { kind: 'unreadable', error };
}
