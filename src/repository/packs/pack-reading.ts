// Reads packs that may be damaged, piece by piece where a disk does not give all of one.
// What the bytes are worth is left to the caller, who compares hashes.
import { Buffer } from 'node:buffer';
import { isBroken, isUnreadable, VarveError } from '../../errors/errors.js';
import { MAX_PACK } from '../../format/limits.js';
import type { Store } from '../../storage/store.js';

/** Bytes of a piece, where a disk cannot read all of a pack. A disk loses a sector, rarely more. */
const PIECE = 64 * 1024;
/** When so many pieces at the beginning fail in a row, no more are tried. */
const MAX_FAILED = 64;

export type PackReading =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  /** Zeros replace what could not be read. Only a hash proves what is made of these bytes. */
  | { readonly kind: 'partly'; readonly bytes: Buffer; readonly error: VarveError }
  /** The pack may be sound. */
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
    // A refusal holds for pieces as well, and retryable errors were retried already.
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
