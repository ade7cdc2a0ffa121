import type { Buffer } from 'node:buffer';
import type { SourceFigures } from '../format/snapshot.js';
import type { SourceCount } from './source-tally.js';

/** A source that should hold more than the new snapshot has of it. */
export interface Suspect {
  readonly path: Buffer;
  readonly now: SourceFigures;
  /** What an earlier snapshot had of it; undefined when nothing of it could be read. */
  readonly before: SourceFigures | undefined;
}

/**
 * Finds the sources that hold too little: nothing of them could be read, or they lost too much since an earlier snapshot.
 *
 * @param counts one for each path
 * @param before what an earlier snapshot had of a source
 * @param maxShrink percent of entries or bytes that a source may lose; undefined: anything but all
 */
export function findSuspects(
  paths: readonly Buffer[],
  counts: readonly SourceCount[],
  before: (path: Buffer) => SourceFigures | undefined,
  maxShrink: number | undefined,
): Suspect[] {
  return paths.flatMap((path, at): Suspect[] => {
    const now = counts[at] as SourceCount;
    if (now.unreadable || (now.entries === 0 && now.errors > 0)) return [{ path, now, before: undefined }];
    const earlier = before(path);
    if (earlier === undefined) return [];
    const lost = Math.max(percentLost(now.entries, earlier.entries), percentLost(now.bytes, earlier.bytes));
    const tooMuch = maxShrink === undefined ? lost === 100 : lost > maxShrink;
    return tooMuch ? [{ path, now, before: earlier }] : [];
  });
}

function percentLost(now: number, before: number): number {
  return now >= before ? 0 : (1 - now / before) * 100;
}
