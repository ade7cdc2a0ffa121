/** Handles a removed working directory: only relative paths need it. */

import { isAbsolute } from 'node:path';
import { VarveError } from '../../errors/errors.js';

/** An existing directory in which no process can create or find a file. */
const NOWHERE = '/proc/self/fdinfo';
let removed = false;

/** Node needs a working directory, even for absolute paths and threads. */
export function leaveRemovedDirectory(): void {
  try {
    process.cwd();
  } catch {
    removed = true;
    try {
      process.chdir(NOWHERE);
    } catch {
      // On other systems the system's own error must do.
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
