// Writes new index objects in place of old ones, in a safe order.
// The caller decides what they list, and that no other command rewrites the index meanwhile.
import { Buffer } from 'node:buffer';
import type { IndexedPack } from '../../format/index-object.js';
import { timeFromMillis } from '../../time/time.js';
import { condemnations, type IndexedRepository, packsOf } from './index-store.js';
import { IndexWriter } from './index-writer.js';
import { PackList } from './pack-list.js';

export interface IndexChanges {
  /** Names of the index objects that are rewritten. */
  readonly replaced: readonly string[];
  /** Names of those that cannot be read. */
  readonly unreadable: ReadonlySet<string>;
  /** Packs that are listed in addition, or in place of what the replaced objects say of them. */
  readonly add: readonly IndexedPack[];
  /** Whether a pack that a replaced object lists is listed again. */
  readonly keep: (name: string) => boolean;
  /** Names of packs to condemn: they are gone or about to be deleted, and commands that rely on them must notice. */
  readonly condemn: readonly string[];
}

/**
 * Replaces index objects. The new ones are durable before any old one is deleted. Objects that others had replaced are deleted first, because
 * they would count again without the others. A condemned pack keeps the time of its condemnation.
 *
 * @returns names of the new objects
 */
export async function rewriteIndex(repository: IndexedRepository, changes: IndexChanges): Promise<readonly string[]> {
  const { store } = repository;
  const { replaced, unreadable, add, keep, condemn } = changes;
  const writer = new IndexWriter(repository);
  const listed = new PackList();
  const list = async (pack: IndexedPack): Promise<void> => {
    if (listed.add(pack)) await writer.add(pack);
  };
  for (const pack of add) await list(pack);
  for (const object of replaced) {
    if (unreadable.has(object)) continue;
    for (const pack of await packsOf(repository, object)) if (keep(pack.name.toString('hex'))) await list(pack);
  }
  const outdated = [...repository.replaced, ...replaced];
  const now = timeFromMillis((await store.now()) * 1000);
  const condemned = condemnations(repository);
  for (const name of condemn) condemned.set(name, now);
  await writer.finish({
    replaces: outdated.map((name) => Buffer.from(name, 'hex')),
    condemned: [...condemned].map(([pack, time]) => ({ pack: Buffer.from(pack, 'hex'), time })),
  });
  for (const name of outdated) if (!writer.written.includes(name)) await store.remove('index', name);
  return writer.written;
}

/**
 * Lists packs as vouched for, in place of every object in which nobody vouches for them.
 *
 * @param proven packs that were read whole, as `readVerdict` found them
 */
export async function vouch(repository: IndexedRepository, proven: readonly IndexedPack[]): Promise<void> {
  const names = new Set(proven.map(({ name }) => name.toString('hex')));
  const replaced = repository.objects.filter(({ packs }) => packs.some((name) => names.has(name)));
  await rewriteIndex(repository, {
    replaced: replaced.map(({ name }) => name),
    unreadable: new Set(),
    add: proven,
    keep: (name) => !names.has(name),
    condemn: [],
  });
}
