import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Where programs are that daemons come as, which are not on every user's PATH. */
const DIRECTORIES = [...(process.env.PATH ?? '').split(':').filter(Boolean), '/usr/sbin', '/usr/local/sbin'];

/**
 * Why tests that need these programs are left out; false when all are there. In CI nothing is left out.
 *
 * @param from Debian's packages that have them
 */
export function missingPrograms(programs: readonly string[], from: string): false | string {
  const missing = programs.filter((program) => programPath(program) === undefined);
  if (missing.length === 0) return false;
  const reason = `${missing.join(', ')} not installed: apt-get install ${from}`;
  if (process.env.CI_SERVERS === 'required') throw new Error(reason);
  return reason;
}

export function programPath(program: string): string | undefined {
  return DIRECTORIES.map((directory) => join(directory, program)).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
