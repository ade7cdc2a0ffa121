import type { Buffer } from 'node:buffer';
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync } from 'node:fs';
import { futimens, openat } from '../filesystem/posix.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import { readXattrs, setXattr } from '../filesystem/xattrs.js';
import { DataMap } from './data-map.js';
import { isFault } from './faults.js';
import type { RangeCopier } from './range-copier.js';

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
const PRIVATE = 0o600;

/**
 * Copies a file with its holes, and with its metadata as far as they can be set.
 *
 * @param onFault called for each part of the metadata that could not be set because of an error (see faults.ts)
 */
export function copyFile(
  copier: RangeCopier,
  directory: number,
  name: Buffer,
  toDirectory: number,
  toName: Buffer,
  onFault: (cause: unknown) => void,
): void {
  const from = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const to = openat(toDirectory, toName, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, PRIVATE);
    try {
      const stat = fstat(from);
      ftruncateSync(to, stat.size);
      for (const { start, end } of new DataMap(from).dataBetween(0, stat.size)) copier.copy(from, to, start, end);
      copyMetadata(from, to, stat, onFault);
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}

/** Ignores what is not supported: a warning for the file's first name has said so. */
function copyMetadata(
  from: number,
  to: number,
  { uid, gid, mode, atime, mtimeSeconds, mtimeNanoseconds }: FileStat,
  onFault: (cause: unknown) => void,
): void {
  const times = [
    { seconds: atime[0], nanoseconds: atime[1] },
    { seconds: mtimeSeconds, nanoseconds: mtimeNanoseconds },
  ] as const;
  const steps = [
    () => fchownSync(to, uid, gid),
    () => {
      for (const xattr of readXattrs(from)) setXattr(to, xattr);
    },
    () => fchmodSync(to, mode),
    () => futimens(to, ...times),
  ];
  for (const step of steps) {
    try {
      step();
    } catch (cause) {
      if (isFault(cause)) onFault(cause);
    }
  }
}
