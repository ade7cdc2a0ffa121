import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoCode } from '../../errors/errors.js';

/**
 * An absolute path with all links resolved, as far as it exists.
 *
 * @throws the system's error, also for a dangling link
 */
export function resolvedPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    const code = errnoCode(cause);
    if ((code !== 'ENOENT' && code !== 'EACCES') || isLink(path)) throw cause;
    return join(resolvedPath(dirname(path)), basename(path));
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
