import { createHash } from 'node:crypto';
import type { ContentRef } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';

/**
 * 64 hex digits that are the same for the same tree: the id of its blob when it has just one, else the SHA-256 of the ids of all.
 */
export function treeId({ depth, ids }: ContentRef): string {
  if (depth === 0 && ids.length === ID_BYTES) return ids.toString('hex');
  return createHash('sha256').update(Uint8Array.of(depth)).update(ids).digest('hex');
}
