// Finds the holes of sparse files with lseek. How a layout is encoded is in format/layout.ts.
import { errnoCode } from '../errors/errors.js';
import { seekData, seekHole } from '../filesystem/posix.js';
import type { FileStat } from '../filesystem/stat.js';
import { Layout, MAX_RUNS } from '../format/layout.js';

/** Bytes of a block in `stat.blocks`. */
const STAT_BLOCK = 512;

/** The next data and the next hole of an open file, at or after an offset. */
export interface Seeker {
  readonly data: (offset: number) => number | undefined;
  readonly hole: (offset: number) => number;
}

/**
 * Finds the holes of an open file; undefined when it has none. Only a file with fewer blocks than its size needs can have holes (or be
 * compressed by the file system), so others are not examined. Where the file system cannot seek to holes, everything is data.
 */
export function layoutOf(file: number, { size, blocks }: Pick<FileStat, 'size' | 'blocks'>): Layout | undefined {
  if (blocks * STAT_BLOCK >= size) return undefined;
  try {
    const runs = runsOf({ data: (offset) => seekData(file, offset), hole: (offset) => seekHole(file, offset) }, size);
    return runs.length > 1 ? new Layout(runs) : undefined;
  } catch (cause) {
    if (errnoCode(cause) === undefined) throw cause;
    return undefined;
  }
}

/**
 * The lengths of data, hole, data, …, starting with data. After MAX_RUNS of them the rest counts as data. So does the rest of a file
 * that changes during the search: a hole just found may be filled already.
 */
export function runsOf(seek: Seeker, size: number): number[] {
  const runs: number[] = [];
  for (let at = 0; at < size; ) {
    const isData = runs.length % 2 === 0;
    const next = Math.min((isData ? seek.hole(at) : seek.data(at)) ?? size, size);
    const changes = next <= at && runs.length > 0;
    if (changes || (isData && runs.length + 2 >= MAX_RUNS)) {
      if (!isData) at -= runs.pop() as number;
      runs.push(size - at);
      break;
    }
    runs.push(next - at);
    at = next;
  }
  return runs;
}
