// Counters in shared memory: each worker writes its own row, without locks, and the main thread adds the rows up.
// Counts by source are in source-tally.ts.
const NAMES = [
  'filesNew',
  'filesChanged',
  'filesUnmodified',
  'dirsNew',
  'dirsChanged',
  'dirsUnmodified',
  'othersNew',
  'othersChanged',
  'othersUnmodified',
  'bytes',
  'errors',
  'dataBlobs',
  'dataAdded',
  'dataStored',
  'treeBlobs',
  'treeAdded',
  'treeStored',
  'withXattrs',
] as const;

export type CounterName = (typeof NAMES)[number];
export type Counters = Readonly<Record<CounterName, number>>;

/** Makes one row for each thread. */
export function createCounters(rows: number): Float64Array[] {
  const bytes = NAMES.length * 8;
  const memory = new SharedArrayBuffer(rows * bytes);
  return Array.from({ length: rows }, (_, row) => new Float64Array(memory, row * bytes, NAMES.length));
}

const POSITION = Object.fromEntries(NAMES.map((name, at) => [name, at])) as Record<CounterName, number>;

export function count(row: Float64Array, name: CounterName, amount = 1): void {
  const at = POSITION[name];
  row[at] = (row[at] as number) + amount;
}

export function setCount(row: Float64Array, name: CounterName, value: number): void {
  row[POSITION[name]] = value;
}

export function sumCounters(rows: readonly Float64Array[]): Counters {
  const sums = {} as Record<CounterName, number>;
  for (const [at, name] of NAMES.entries()) sums[name] = rows.reduce((sum, row) => sum + (row[at] as number), 0);
  return sums;
}
