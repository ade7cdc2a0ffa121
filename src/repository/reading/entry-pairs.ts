// Pairs the entries of two directories by name.
// What differs in a pair is left to the caller.
import type { EntryReader } from '../../format/entry-reader.js';

/** The entries with one name in two directories. At least one of them exists. Valid until the next pair is read. */
export interface EntryPair {
  readonly before: EntryReader | undefined;
  readonly after: EntryReader | undefined;
}

/** Merges two directories, each in order of name. Holds one entry of each. */
export async function* pairEntries(
  before: AsyncIterator<EntryReader>,
  after: AsyncIterator<EntryReader>,
): AsyncGenerator<EntryPair> {
  let left = await before.next();
  let right = await after.next();
  while (left.done !== true || right.done !== true) {
    const order = left.done === true ? 1 : right.done === true ? -1 : left.value.compareName(right.value.name);
    yield { before: order <= 0 ? left.value : undefined, after: order >= 0 ? right.value : undefined };
    if (order <= 0) left = await before.next();
    if (order >= 0) right = await after.next();
  }
}
