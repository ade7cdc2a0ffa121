/** Requests to a store at a time, of commands that fetch many small objects. */
export const REQUESTS = 8;

/**
 * Runs a task for each item, at most a given number at a time.
 *
 * @throws the first error, after all started tasks have ended
 */
export async function eachAtMost<Item>(
  atMost: number,
  items: AsyncIterable<Item> | Iterable<Item>,
  action: (item: Item) => Promise<void>,
): Promise<void> {
  // A lane that fails ends the source for all.
  const source = oneByOne(items);
  const lane = async (): Promise<void> => {
    for await (const item of source) await action(item);
  };
  const ended = await Promise.allSettled(Array.from({ length: atMost }, lane));
  for (const each of ended) if (each.status === 'rejected') throw each.reason;
}

async function* oneByOne<Item>(items: AsyncIterable<Item> | Iterable<Item>): AsyncGenerator<Item> {
  yield* items;
}
