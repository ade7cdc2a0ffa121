import { errnoCode } from '../errors/errors.js';
import { seekData, seekHole } from '../filesystem/posix.js';
import type { FileStat } from '../filesystem/stat.js';
import { Layout, MAX_RUNS } from '../format/layout.js';

/** Bytes of one of `blocks` in a stat. */
const STAT_BLOCK = 512;

/**
 * Where an open file has data; undefined when it has no holes. Only a file that takes less room than its length can have some (or be
 * compressed by the file system), so the others are not asked.
 */
export function layoutOf(file: number, { size, blocks }: Pick<FileStat, 'size' | 'blocks'>): Layout | undefined {
  if (blocks * STAT_BLOCK >= size) return undefined;
  try {
    const runs = runsOf(file, size);
    return runs.length > 1 ? new Layout(runs) : undefined;
  } catch (cause) {
    if (errnoCode(cause) === 'EINVAL') return undefined;
    throw cause;
  }
}

/** Lengths of data, hole, data, …; beyond so many that a list can hold, what is left counts as data. */
function runsOf(file: number, size: number): number[] {
  const dataFrom = (offset: number): number => Math.min(seekData(file, offset) ?? size, size);
  const runs: number[] = [];
  let data = dataFrom(0);
  if (data > 0) runs.push(0, data);
  while (data < size) {
    const hole = runs.length + 2 < MAX_RUNS ? Math.min(seekHole(file, data), size) : size;
    runs.push(hole - data);
    if (hole >= size) break;
    data = dataFrom(hole);
    runs.push(data - hole);
  }
  return runs;
}
