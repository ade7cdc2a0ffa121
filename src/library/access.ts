// Opens the store of a repository, and turns a program's options into the engine's.
// Opening the repository itself is left to repository.ts.

import type { Unlock } from '../crypto/slot-file.js';
import { VarveError } from '../errors/errors.js';
import type { OpenOptions } from '../repository/opening/open.js';
import { openStore } from '../storage/open-store.js';
import { IDLE_TIMEOUT_SECONDS, REFUSED_SECONDS, RETRY_SECONDS, type StoreSettings } from '../storage/settings.js';
import type { Store } from '../storage/store.js';
import type { AccessOptions } from './options.js';

/** @throws VarveError `usage` unless there is either a password or a key file, and not both */
export function engineOptions(options: AccessOptions): OpenOptions {
  const { cacheDirectory, onWarning, onNotice, keyHint } = options;
  return { unlock: unlockOf(options), cacheDirectory: cacheDirectory, onWarning, onNotice, keyHint };
}

function unlockOf({ password, keyFile }: AccessOptions): Unlock {
  if (password !== undefined && keyFile === undefined) return { password };
  if (keyFile !== undefined && password === undefined) return { keyFile };
  throw new VarveError('usage', 'give either a password or a key file');
}

/** @param location as on the command line, or a store that the program made */
export async function storeAt(location: string | Store, options: AccessOptions): Promise<Store> {
  return typeof location === 'string' ? openStore(location, settingsOf(options)) : location;
}

function settingsOf(options: AccessOptions): StoreSettings {
  return {
    environment: {},
    extended: new Map(),
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
    retrySeconds: RETRY_SECONDS,
    refusedSeconds: REFUSED_SECONDS,
    ...options,
  };
}
