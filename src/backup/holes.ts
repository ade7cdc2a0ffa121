import { errnoCode } from '../errors/errors.js';
import { seekData, seekHole } from '../filesystem/posix.js';
import type { FileStat } from '../filesystem/stat.js';
import { Layout, MAX_RUNS } from '../format/layout.js';

/** Bytes of one of `blocks` in a stat. */
const STAT_BLOCK = 512;

/** Where an open file goes on with data, and with a hole, from an offset on. */
export interface Seeker {
  readonly data: (offset: number) => number | undefined;
  readonly hole: (offset: number) => number;
}

/**
 * Where an open file has data; undefined when it has no holes. Only a file that takes less room than its length can have some (or be
 * compressed by the file system), so the others are not asked. Where the file system cannot tell, all counts as data.
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
 * Lengths of data, hole, data, …; beyond so many that a list can hold, what is left counts as data. So it does when the file is changed
 * at this very moment, and the hole that a run of data ended with is none any more.
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
