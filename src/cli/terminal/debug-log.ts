import { openSync, writeSync } from 'node:fs';
import { systemReason, VarveError } from '../../errors/errors.js';
import type { Context } from '../program/shell.js';

/**
 * The log of requests: `--debug` writes to standard error, VARVE_DEBUG_LOG appends to that file.
 *
 * @throws VarveError `usage` when the file cannot be written
 */
export function debugLog({ globals, environment, output }: Context): ((line: string) => void) | undefined {
  const path = environment.VARVE_DEBUG_LOG;
  if (path) {
    const file = openLog(path);
    return (line) => void writeSync(file, `${line}\n`);
  }
  if (globals.debug !== true) return undefined;
  return (line) => {
    if (output.json) output.errorObject({ message_type: 'debug', message: line });
    else output.error(line);
  };
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (cause) {
    throw new VarveError('usage', `VARVE_DEBUG_LOG: cannot write ${path}: ${systemReason(cause)}`, { cause });
  }
}
