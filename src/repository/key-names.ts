import type { Store } from '../storage/store.js';

/**
 * Names of the objects in `keys/`. While a key is changed, one listing may have neither its old object nor the new one, so two listings are
 * put together.
 */
export async function keyNames(store: Store): Promise<Set<string>> {
  const names = await listKeys(store);
  for (const name of await listKeys(store)) names.add(name);
  return names;
}

/** One listing: a caller looks again before it believes that a key is not there. */
export async function listKeys(store: Store): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of store.list('keys')) names.add(name);
  return names;
}
