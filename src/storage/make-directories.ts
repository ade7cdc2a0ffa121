import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode } from '../errors/errors.js';

/**
 * Makes a directory and its parents, unless they exist. Node's own recursive mkdir never returns where a directory refuses new names with
 * ENOENT, such as /proc.
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
