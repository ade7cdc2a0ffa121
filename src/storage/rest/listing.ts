// Parses lists of objects.
// rest-store.ts requests them.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { HASH_NAME } from '../store.js';

/** Requests lists with sizes. A server with only version 1 of the protocol lists names. */
export const LISTING_TYPE = 'application/vnd.x.restic.rest.v2';

export interface Listed {
  readonly name: string;
  /** Absent in the first version of the protocol. */
  readonly size?: number;
}

/**
 * Parses a server's list, without names that varve did not write.
 *
 * @throws VarveError when it is not a list
 */
export function parseListing(body: Buffer): Listed[] {
  const list = parsed(body);
  if (!Array.isArray(list)) throw noListing();
  return list.map(listed).filter(({ name }) => HASH_NAME.test(name));
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) ?? [];
  } catch (cause) {
    throw noListing(cause);
  }
}

function listed(item: unknown): Listed {
  if (typeof item === 'string') return { name: item };
  const { name, size } = (item ?? {}) as { name?: unknown; size?: unknown };
  if (typeof name !== 'string' || !Number.isSafeInteger(size) || Number(size) < 0) throw noListing();
  return { name, size: Number(size) };
}

const noListing = (cause?: unknown): VarveError =>
  new VarveError('storage', 'its answer is not a list of objects: is it a REST server for restic?', { cause });
