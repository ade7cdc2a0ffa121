// Finds sources that hold far less than in an earlier snapshot.
// That snapshot is found in parent.ts.
import type { Buffer } from 'node:buffer';
import type { SourceFigures } from '../format/snapshot.js';
import type { SourceCount } from './source-tally.js';

/** A source that probably should hold more than was found. */
export interface Suspect {
  readonly path: Buffer;
  readonly now: SourceFigures;
  /** Its figures in an earlier snapshot; undefined when the source could not be read. */
  readonly before: SourceFigures | undefined;
}

/**
 * Finds the sources that hold too little: nothing in them could be read, or they lost too much since an earlier snapshot.
 *
 * @param counts one for each path
 * @param earlierFigures the figures of a source in an earlier snapshot
 * @param maxShrink percent of entries or bytes that a source may lose; undefined: less than all
 */
export function findSuspects(
  paths: readonly Buffer[],
  counts: readonly SourceCount[],
  earlierFigures: (path: Buffer) => SourceFigures | undefined,
  maxShrink: number | undefined,
): Suspect[] {
  return paths.flatMap((path, at): Suspect[] => {
    const now = counts[at] as SourceCount;
    if (now.unreadable || (now.entries === 0 && now.errors > 0)) return [{ path, now, before: undefined }];
    const earlier = earlierFigures(path);
    if (earlier === undefined) return [];
    const lost = Math.max(percentLost(now.entries, earlier.entries), percentLost(now.bytes, earlier.bytes));
    const tooMuch = maxShrink === undefined ? lost === 100 : lost > maxShrink;
    return tooMuch ? [{ path, now, before: earlier }] : [];
  });
}

function percentLost(now: number, before: number): number {
  return now >= before ? 0 : (1 - now / before) * 100;
}
