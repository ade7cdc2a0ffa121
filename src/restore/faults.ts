import { errnoCode } from '../errors/errors.js';

/** What a call fails with where the file system has no such thing, or does not take this value, or where the user lacks the right. */
const REFUSALS: readonly string[] = [
  'EPERM',
  'EACCES',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'ENOTTY',
  'EINVAL',
  'EOVERFLOW',
  'ENODATA',
  'ERANGE',
  'E2BIG',
  'EFBIG',
  'ENAMETOOLONG',
];
/** Of Node's own errors, as for a number that it cannot pass on. */
const OF_NODE = 'ERR_';

/**
 * Whether a call failed because something is broken, full or read-only (EIO, ESTALE, ENOSPC, EDQUOT, EROFS), and not because the file
 * system or the user's rights never allow it.
 */
export function isFault(cause: unknown): boolean {
  const code = errnoCode(cause);
  return code !== undefined && !code.startsWith(OF_NODE) && !REFUSALS.includes(code);
}
