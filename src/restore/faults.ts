import { errnoCode } from '../errors/errors.js';

/** Error codes that mean: the file system does not support it, does not accept the value, or the user may not do it. */
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
/** Beginning of the codes of Node's own errors, such as for a number out of range. */
const OF_NODE = 'ERR_';

/**
 * Whether a call failed because something is broken, full or read-only (EIO, ESTALE, ENOSPC, EDQUOT, EROFS), rather than because the file
 * system or the user's permissions never allow it.
 */
export function isFault(cause: unknown): boolean {
  const code = errnoCode(cause);
  return code !== undefined && !code.startsWith(OF_NODE) && !REFUSALS.includes(code);
}
