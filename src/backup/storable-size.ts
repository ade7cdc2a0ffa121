// A repository holds files of up to 2^53 − 1 bytes (SPEC.md section 1). Linux allows larger ones, but only sparse.
// The Lister reports a file that is larger; only its beginning is stored.

import type { FileStat } from '../filesystem/stat.js';

const LARGEST = Number.MAX_SAFE_INTEGER;

export const TOO_LARGE = `is larger than a repository can hold: only its first ${LARGEST} bytes are stored`;

export const isTooLarge = ({ type, size }: FileStat): boolean => type === 'file' && size > LARGEST;

/** The stat with its size limited to what a repository can hold. */
export function storableSize(stat: FileStat): FileStat {
  return stat.size > LARGEST ? { ...stat, size: LARGEST } : stat;
}
