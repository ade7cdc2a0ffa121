// Names that the target's file system does not support, or takes for the same name.
import type { Buffer } from 'node:buffer';
import { errnoCode, VarveError } from '../errors/errors.js';

/** Error codes for a name that the file system does not support; ENOENT comes from exfat-fuse. */
const NAME_REFUSED = ['EILSEQ', 'EINVAL', 'ENAMETOOLONG', 'ENOENT'];

/** @param cause the failure of a call that gives a name to an existing file in an open directory */
export const refusesName = (cause: unknown): boolean => NAME_REFUSED.includes(errnoCode(cause) ?? '');

/** Only ENAMETOOLONG has the same meaning on every file system. */
export function unsupportedName(cause: unknown): VarveError {
  const message =
    errnoCode(cause) === 'ENAMETOOLONG'
      ? "file name too long for the target's file system"
      : "the target's file system does not support this name";
  return new VarveError('target', message, { cause });
}

export const caseCollision = (): VarveError =>
  new VarveError(
    'target',
    "the target's file system ignores case, and this name differs only in case from another name in the directory",
  );

/** Folds case: the result is the same for all names that differ only in case. */
export const foldCase = (name: Buffer): string => name.toString().normalize().toLowerCase();
