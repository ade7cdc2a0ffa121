/** The location of the cache. This file runs before everything else, so its imports must be cheap. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined when there is no home directory. */
export function cacheLocation({ VARVE_CACHE_DIR, XDG_CACHE_HOME, HOME }: Environment): string | undefined {
  if (VARVE_CACHE_DIR) return VARVE_CACHE_DIR;
  // The XDG specification says to ignore relative paths.
  if (XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'varve');
  const home = HOME || homeOfUser();
  return home !== undefined && isAbsolute(home) ? join(home, '.cache', 'varve') : undefined;
}

/** Undefined for a user without a passwd entry, as in containers. */
function homeOfUser(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
