/** What to do when the working directory has been removed: only relative paths need it. */

import { isAbsolute } from 'node:path';
import { VarveError } from '../../errors/errors.js';

/** Linux lets nobody create or find anything in it. */
const NOWHERE = '/proc/self/fdinfo';
let removed = false;

/** Node cannot do without a working directory, even for absolute paths and threads. */
export function leaveRemovedDirectory(): void {
  try {
    process.cwd();
  } catch {
    removed = true;
    try {
      process.chdir(NOWHERE);
    } catch {
      // Not on Linux. Then the system's error must do.
    }
  }
}

/** @throws VarveError `usage` for a path that needs a working directory which has been removed */
export function requireWorkingDirectory(path: string): void {
  if (removed && !isAbsolute(path))
    throw new VarveError(
      'usage',
      `${path}: the working directory of this relative path was removed: give an absolute path`,
    );
}
