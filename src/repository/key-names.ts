// The names of the objects in `keys/`, complete while a key is changed.
// What is in the objects is left to keys/.
import type { Store } from '../storage/store.js';

/** All names, from two listings: while a key is changed, one listing may have neither its old object nor its new one. */
export async function keyNames(store: Store): Promise<Set<string>> {
  const names = await listKeys(store);
  for (const name of await listKeys(store)) names.add(name);
  return names;
}

/** The names of one listing. A caller lists again before it believes that a key is missing. */
export async function listKeys(store: Store): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of store.list('keys')) names.add(name);
  return names;
}
