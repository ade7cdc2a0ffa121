// Writes the index objects that condemn packs, and index objects without deleted packs.
// condemn.ts and remove.ts decide which packs.
import { Buffer } from 'node:buffer';
import type { IndexedPack } from '../format/index-object.js';
import { type IndexedRepository, type IndexSummary, packsOf, writeIndex } from '../repository/index/index-store.js';
import { INDEX_BLOBS } from '../repository/index/index-writer.js';
import { withoutHidden } from '../repository/index/pack-list.js';
import type { Time } from '../time/time.js';

/** Index objects with fewer blobs are merged. */
const FEW_BLOBS = 10_000;
/** Up to this many small objects are read as fast as one, so they are not merged. */
const MANY_OBJECTS = 32;

/**
 * Writes one index object with all condemnations. It replaces every object that condemned packs before; a pack that is left out is reinstated.
 *
 * @param condemned packs by name, with the time of their condemnation
 * @returns names of objects: the new one is durable, the others may be removed
 */
export async function writeCondemnations(
  repository: IndexedRepository,
  condemned: ReadonlyMap<string, Time>,
): Promise<{ written: string; replaced: readonly string[] }> {
  const old = repository.objects.filter((object) => object.condemned.size > 0);
  const packs: IndexedPack[] = [];
  for (const { name } of old) packs.push(...(await packsOf(repository, name)));
  const written = await writeIndex(repository, withoutHidden(packs), {
    replaces: old.map(({ name }) => Buffer.from(name, 'hex')),
    condemned: [...condemned].map(([pack, time]) => ({ pack: Buffer.from(pack, 'hex'), time })),
  });
  return { written, replaced: old.map(({ name }) => name).filter((name) => name !== written) };
}

/**
 * Rewrites index objects without deleted packs, and merges small ones. Objects that condemn packs stay as they are.
 *
 * @returns names of the objects that may be removed
 */
export async function dropPacks(repository: IndexedRepository, gone: ReadonlySet<string>): Promise<string[]> {
  const plain = repository.objects.filter(({ condemned }) => condemned.size === 0);
  const small = plain.filter(({ blobs }) => blobs < FEW_BLOBS);
  const vouched = vouchedPacks(repository);
  const isHidden = ({ name, vouched: own }: IndexedPack): boolean => !own && vouched.has(name.toString('hex'));
  const isOutdated = ({ packs, unvouched }: IndexSummary): boolean =>
    packs.some((pack) => gone.has(pack)) || unvouched.some((pack) => vouched.has(pack));
  const wanted = plain.filter(
    (object) => isOutdated(object) || (small.length > MANY_OBJECTS && small.includes(object)),
  );
  const replaced: string[] = [];
  for (const batch of inBatches(wanted)) {
    const packs: IndexedPack[] = [];
    for (const { name } of batch) {
      const listed = await packsOf(repository, name);
      packs.push(...listed.filter((pack) => !gone.has(pack.name.toString('hex')) && !isHidden(pack)));
    }
    const replaces = batch.map(({ name }) => Buffer.from(name, 'hex'));
    const written = await writeIndex(repository, withoutHidden(packs), { replaces, condemned: [] });
    replaced.push(...batch.map(({ name }) => name).filter((name) => name !== written));
  }
  return replaced;
}

/** Names of the packs that somebody vouches for: what else is said of them need not be kept. */
function vouchedPacks({ index }: IndexedRepository): Set<string> {
  const names = new Set<string>();
  for (let pack = 0; pack < index.packCount; pack++) if (index.isVouched(pack)) names.add(index.packName(pack));
  return names;
}

function inBatches(objects: readonly IndexSummary[]): IndexSummary[][] {
  const batches: IndexSummary[][] = [];
  let left = 0;
  for (const object of objects) {
    if (object.blobs > left || batches.length === 0) {
      batches.push([]);
      left = INDEX_BLOBS;
    }
    batches.at(-1)?.push(object);
    left -= object.blobs;
  }
  return batches;
}
