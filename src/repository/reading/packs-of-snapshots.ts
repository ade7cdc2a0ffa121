import type { ContentRef } from '../../format/content.js';
import type { IndexedRepository } from '../index/index-store.js';
import { Reachable } from './reachable.js';

/**
 * The names of the packs that hold the blobs that snapshots need.
 *
 * @param roots the snapshots' root directories
 * @throws VarveError `damaged` when a tree cannot be read
 */
export async function packsOfSnapshots(
  indexed: IndexedRepository,
  roots: readonly ContentRef[],
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const reachable = new Reachable(indexed, signal);
  await reachable.add(roots);
  const { index } = indexed;
  const names = new Set<string>();
  for (let pack = 0; pack < index.packCount; pack++) {
    const { first, end } = index.framesOf(pack);
    for (let each = first; each < end && !names.has(index.packName(pack)); each++) {
      const { firstBlob, blobs } = index.frame(each);
      for (let blob = firstBlob; blob < firstBlob + blobs; blob++)
        if (reachable.has(blob)) names.add(index.packName(pack));
    }
  }
  return names;
}
