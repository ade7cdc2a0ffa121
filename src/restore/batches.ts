/** Items in one task. */
const BATCH = 256;

/** Divides items into tasks. @param bytes at most so many in a batch, unless a single item is larger */
export function inBatches<Item extends { readonly size: number }>(items: readonly Item[], bytes = Infinity): Item[][] {
  const batches: Item[][] = [];
  let batch: Item[] = [];
  let size = 0;
  for (const item of items) {
    if (batch.length === BATCH || (size > 0 && size + item.size > bytes)) {
      batches.push(batch);
      batch = [];
      size = 0;
    }
    batch.push(item);
    size += item.size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
