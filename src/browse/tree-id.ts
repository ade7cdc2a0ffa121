import { createHash } from 'node:crypto';
import type { ContentRef } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';

/**
 * An id of 64 hexadecimal digits that identical trees share: the id of the only blob, or the SHA-256 of the ids of several.
 */
export function treeId({ depth, ids }: ContentRef): string {
  if (depth === 0 && ids.length === ID_BYTES) return ids.toString('hex');
  return createHash('sha256').update(Uint8Array.of(depth)).update(ids).digest('hex');
}
