// A repository holds files of up to 2^53 − 1 bytes (SPEC.md section 1). Linux allows larger ones, which can only be sparse.

import type { FileStat } from '../filesystem/stat.js';

const LARGEST = Number.MAX_SAFE_INTEGER;

export const TOO_LARGE = `is larger than a repository can hold: only its first ${LARGEST} bytes are stored`;

export const isTooLarge = ({ type, size }: FileStat): boolean => type === 'file' && size > LARGEST;

/** The stat with the size that is stored. */
export function storableSize(stat: FileStat): FileStat {
  return stat.size > LARGEST ? { ...stat, size: LARGEST } : stat;
}
