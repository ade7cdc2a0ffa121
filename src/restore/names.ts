import type { Buffer } from 'node:buffer';
import { errnoCode, VarveError } from '../errors/errors.js';

/** What a call that gives something a name fails with when the file system cannot hold that name: exfat-fuse with ENOENT. */
const NAME_REFUSED = ['EILSEQ', 'EINVAL', 'ENAMETOOLONG', 'ENOENT'];

/** @param cause the failure of a call in an open directory that gives a name to something which is there */
export const refusesName = (cause: unknown): boolean => NAME_REFUSED.includes(errnoCode(cause) ?? '');

/** Says of a name that is too long that it is so; the other codes say nothing that holds on every file system. */
export function noSuchName(cause: unknown): VarveError {
  const message =
    errnoCode(cause) === 'ENAMETOOLONG'
      ? "file name too long for the target's file system"
      : "the target's file system does not take this name";
  return new VarveError('target', message, { cause });
}

export const sameButForCase = (): VarveError =>
  new VarveError(
    'target',
    "the target's file system takes its name for that of another entry of this directory, from which it differs only in case",
  );

/** A form of a name that is the same for all names that differ only in case. */
export const withoutCase = (name: Buffer): string => name.toString().normalize().toLowerCase();
