import type { Buffer } from 'node:buffer';
import type { RepositoryKeys } from '../../crypto/hierarchy.js';
import { type BlobKind, TREE } from '../../format/content.js';
import type { BlobIndex } from '../index/blob-index.js';
import type { Deduplicator } from '../packs/blob-writer.js';
import type { PackKeyRing } from '../reading/blob-reader.js';
import type { FreshSet } from './fresh-set.js';

/**
 * Decides for blobs of a kind whether they have to be stored: when the repository has none that may be relied on, and this run has not
 * stored them yet. An append key relies only on trees that it can read again from here: those that this machine wrote.
 */
export function deduplicatorOf(
  kind: BlobKind,
  { keys, index, ring, fresh }: { keys: RepositoryKeys; index: BlobIndex; ring: PackKeyRing; fresh: FreshSet },
): Deduplicator {
  const readable = (id: Buffer): boolean => ring.has(index.frame(index.locateFrame(index.find(id))).wrappedKey);
  const isStored =
    kind === TREE && keys.role === 'append'
      ? (id: Buffer) => index.has(id) && readable(id)
      : (id: Buffer) => index.has(id);
  return { claim: (id) => !isStored(id) && fresh.add(id) };
}
