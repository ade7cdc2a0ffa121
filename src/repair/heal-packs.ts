import { isAboutObject, throwIfInterrupted } from '../errors/errors.js';
import { TREE } from '../format/content.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { heal } from '../repository/packs/healing.js';
import { fetchObject } from '../repository/repository.js';

/** Makes the packs of directories whole by their parity, where the repository has it: what heals is not lost. */
export async function healTreePacks({ store, config, index }: IndexedRepository, signal?: AbortSignal): Promise<void> {
  if (config.parity === 0) return;
  const there = new Set<string>();
  for await (const { name } of store.list('data')) there.add(name);
  for (let pack = 0; pack < index.packCount; pack++) {
    throwIfInterrupted(signal);
    const name = index.packName(pack);
    if (index.packKind(pack) !== TREE || !there.has(name)) continue;
    try {
      await fetchObject(store, 'data', name);
    } catch (cause) {
      if (!isAboutObject(cause)) throw cause;
      await heal(store, name).catch(unlessAboutPack);
    }
  }
}

/** What remains is told by whoever needs the pack. */
function unlessAboutPack(cause: unknown): void {
  if (!isAboutObject(cause)) throw cause;
}
