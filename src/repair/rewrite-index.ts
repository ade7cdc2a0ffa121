import { Buffer } from 'node:buffer';
import type { IndexedPack } from '../format/index-object.js';
import { timeFromMillis } from '../format/time.js';
import { condemnations, FORGOTTEN_PACKS, type IndexedRepository, packsOf } from '../repository/index-store.js';
import { IndexWriter } from '../repository/index-writer.js';

export interface IndexChanges {
  /** Names of the index objects that are written anew. */
  readonly replaced: readonly string[];
  /** Those of them that cannot be read. */
  readonly unreadable: ReadonlySet<string>;
  /** Packs that are listed besides. */
  readonly add: readonly IndexedPack[];
  /** Whether a pack that a replaced object lists is listed again. */
  readonly keep: (name: string) => boolean;
  /** Packs that nothing new may rely on from now on: they are gone, or about to go. */
  readonly gone: readonly string[];
}

/**
 * Puts new index objects in the place of old ones. What is listed anew is durable before anything is replaced, and the old objects go last.
 *
 * Condemnations. A pack stays condemned since when it was. Those that only an unreadable object knew of are lost, and that is safe:
 * - Nothing is deleted because of it: a prune deletes what the index condemns, and finds anew what nobody needs.
 * - A backup may rely on such a pack that is still there: it is listed, and as good as any. Should the old object come back from a copy of the
 *   store, it is replaced by name, and counts no more.
 * - A backup that began before the condemnation may rely on such a pack that is gone, and would have learned of it by the condemnation. It
 *   learns of it by FORGOTTEN_PACKS instead, and looks which of its packs are there.
 * Packs that are gone without having been condemned are condemned now, for the same reason.
 *
 * @returns names of the new objects
 */
export async function rewriteIndex(repository: IndexedRepository, changes: IndexChanges): Promise<readonly string[]> {
  const { store } = repository;
  const { replaced, unreadable, add, keep, gone } = changes;
  const writer = new IndexWriter(repository);
  const listed = new Set<string>();
  const list = async (pack: IndexedPack): Promise<void> => {
    const name = pack.name.toString('hex');
    if (!listed.has(name)) await writer.add(pack);
    listed.add(name);
  };
  for (const pack of add) await list(pack);
  for (const object of replaced) {
    if (unreadable.has(object)) continue;
    for (const pack of await packsOf(repository, object)) if (keep(pack.name.toString('hex'))) await list(pack);
  }
  const now = timeFromMillis((await store.now()) * 1000);
  const condemned = condemnations(repository);
  for (const name of [...gone, FORGOTTEN_PACKS]) condemned.set(name, now);
  await writer.finish({
    replaces: replaced.map((name) => Buffer.from(name, 'hex')),
    condemned: [...condemned].map(([pack, time]) => ({ pack: Buffer.from(pack, 'hex'), time })),
  });
  for (const name of replaced) if (!writer.written.includes(name)) await store.remove('index', name);
  return writer.written;
}
