/** Where the cache is. No import of this file may load much: it runs before everything else. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined where nothing says where: there is no home. */
export function cacheLocation({ VARVE_CACHE_DIR, XDG_CACHE_HOME, HOME }: Environment): string | undefined {
  if (VARVE_CACHE_DIR) return VARVE_CACHE_DIR;
  // The XDG specification has relative paths ignored.
  if (XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'varve');
  const home = HOME || homeOfUser();
  return home !== undefined && isAbsolute(home) ? join(home, '.cache', 'varve') : undefined;
}

/** Undefined for a user without an entry in the password database, as containers have them. */
function homeOfUser(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
