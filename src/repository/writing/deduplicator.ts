import type { Buffer } from 'node:buffer';
import type { RepositoryKeys } from '../../crypto/hierarchy.js';
import { type BlobKind, TREE } from '../../format/content.js';
import type { BlobIndex } from '../index/blob-index.js';
import type { Deduplicator } from '../packs/blob-writer.js';
import type { PackKeyRing } from '../reading/blob-reader.js';
import type { FreshSet } from './fresh-set.js';

/**
 * Decides which blobs of a kind have to be stored: those that the repository lacks or has only in condemned packs, and that this run has
 * not stored yet. An append key relies only on trees that it can read again on this machine: those that it wrote here.
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
