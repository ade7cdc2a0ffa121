import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode } from '../errors/errors.js';

/**
 * Makes a directory and those above it, unless they are there. Node's own recursive mkdir never returns where a directory refuses new names
 * with ENOENT, as those of /proc do.
 *
 * @throws the system's error
 */
export function makeDirectories(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode);
  } catch (cause) {
    const code = errnoCode(cause);
    if (code === 'ENOENT' && statSync(dirname(path), { throwIfNoEntry: false }) === undefined) {
      makeDirectories(dirname(path), mode);
      mkdirSync(path, mode);
    } else if (code !== 'EEXIST' || !statSync(path).isDirectory()) throw cause;
  }
}
