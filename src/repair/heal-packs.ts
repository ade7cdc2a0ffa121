import { isAboutObject, throwIfInterrupted } from '../errors/errors.js';
import { TREE } from '../format/content.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { heal } from '../repository/packs/healing.js';
import { fetchObject } from '../repository/repository.js';

/** Heals packs of trees by their parity, if the repository has parity. */
export async function healTreePacks({ store, config, index }: IndexedRepository, signal?: AbortSignal): Promise<void> {
  if (config.parity === 0) return;
  const stored = new Set<string>();
  for await (const { name } of store.list('data')) stored.add(name);
  for (let pack = 0; pack < index.packCount; pack++) {
    throwIfInterrupted(signal);
    const name = index.packName(pack);
    if (index.packKind(pack) !== TREE || !stored.has(name)) continue;
    try {
      await fetchObject(store, 'data', name);
    } catch (cause) {
      if (!isAboutObject(cause)) throw cause;
      await heal(store, name).catch(unlessAboutPack);
    }
  }
}

/** Ignores packs that do not heal: the code that needs one reports it. */
function unlessAboutPack(cause: unknown): void {
  if (!isAboutObject(cause)) throw cause;
}
