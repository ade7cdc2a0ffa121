import type { EntryReader } from '../../format/entry-reader.js';

/** The entries of a name in two directories; at least one is there. Valid until the next pair is asked for. */
export interface EntryPair {
  readonly before: EntryReader | undefined;
  readonly after: EntryReader | undefined;
}

/** Puts two directories, each in order of name, side by side: of each no more than one entry is looked at. */
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
