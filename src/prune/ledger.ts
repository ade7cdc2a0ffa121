import { Buffer } from 'node:buffer';
import type { IndexedPack } from '../format/index-object.js';
import type { Time } from '../format/time.js';
import { type IndexedRepository, type IndexSummary, packsOf, writeIndex } from '../repository/index/index-store.js';
import { INDEX_BLOBS } from '../repository/index/index-writer.js';

/** An index object with fewer is put together with others. */
const FEW_BLOBS = 10_000;
/** So many of them are read as quickly as one. */
const MANY_OBJECTS = 32;

/**
 * Condemns packs, or takes it back, in one index object that replaces all which condemned packs before.
 *
 * @param condemned all that are condemned from now on, with the time since when
 * @returns the objects' names: the new one is durable, the others may be removed
 */
export async function writeCondemned(
  repository: IndexedRepository,
  condemned: ReadonlyMap<string, Time>,
): Promise<{ written: string; replaced: readonly string[] }> {
  const old = repository.objects.filter((object) => object.condemned.size > 0);
  const packs: IndexedPack[] = [];
  for (const { name } of old) packs.push(...(await packsOf(repository, name)));
  const written = await writeIndex(repository, packs, {
    replaces: old.map(({ name }) => Buffer.from(name, 'hex')),
    condemned: [...condemned].map(([pack, time]) => ({ pack: Buffer.from(pack, 'hex'), time })),
  });
  return { written, replaced: old.map(({ name }) => name).filter((name) => name !== written) };
}

/**
 * Writes index objects anew without packs that are gone, and small ones together. Those that condemn are left.
 *
 * @returns names of the objects that may be removed
 */
export async function withoutPacks(repository: IndexedRepository, gone: ReadonlySet<string>): Promise<string[]> {
  const plain = repository.objects.filter(({ condemned }) => condemned.size === 0);
  const small = plain.filter(({ blobs }) => blobs < FEW_BLOBS);
  const wanted = plain.filter(
    (object) => isOutdated(object, gone) || (small.length > MANY_OBJECTS && small.includes(object) && !object.revoked),
  );
  const replaced: string[] = [];
  for (const batch of inBatches(wanted)) {
    const packs: IndexedPack[] = [];
    for (const { name } of batch) {
      const listed = await packsOf(repository, name);
      packs.push(...listed.filter((pack) => !gone.has(pack.name.toString('hex'))));
    }
    const replaces = batch.map(({ name }) => Buffer.from(name, 'hex'));
    const written = await writeIndex(repository, packs, { replaces, condemned: [] });
    replaced.push(...batch.map(({ name }) => name).filter((name) => name !== written));
  }
  return replaced;
}

/** What a revoked slot listed must not be listed by another: it would be relied on again. */
function isOutdated({ packs, revoked }: IndexSummary, gone: ReadonlySet<string>): boolean {
  return revoked ? packs.every((pack) => gone.has(pack)) : packs.some((pack) => gone.has(pack));
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
