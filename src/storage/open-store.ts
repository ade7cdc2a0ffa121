import { VarveError } from '../errors/errors.js';
import { refuseForeignLocation } from './foreign-location.js';
import { maskedLocation } from './masked.js';
import type { StoreSettings } from './settings.js';
import type { Store } from './store.js';

/** Opens a provider's store. @param rest the location after the scheme and its colon */
type OpenProvider = (rest: string, settings: StoreSettings) => Promise<Store>;

/** A provider is loaded only when it is used. */
const PROVIDERS: Readonly<Record<string, () => Promise<OpenProvider>>> = {
  rclone: async () => (await import('./rclone/open.js')).openRclone,
  rest: async () => (await import('./rest/open.js')).openRest,
  sftp: async () => (await import('./sftp/open.js')).openSftp,
  s3: async () => (await import('./s3/open.js')).openS3,
};

/**
 * Opens the store of a location: a directory, `local:DIRECTORY`, or a remote store with its guards.
 *
 * @throws VarveError `usage` for an invalid location
 */
export async function openStore(location: string, settings: StoreSettings): Promise<Store> {
  const [, scheme, rest = ''] = /^([a-z0-9]+):(.*)$/s.exec(location) ?? [];
  if (settings.lockSeconds !== undefined && scheme !== 's3') throw withoutLock(scheme);
  const load = scheme === undefined ? undefined : PROVIDERS[scheme];
  if (load !== undefined) {
    const [open, { openGuarded }] = await Promise.all([load(), import('./guards/guard.js')]);
    return openGuarded(maskedLocation(location), (interruptible) => open(rest, interruptible), settings);
  }
  const path = scheme === 'local' ? rest : location;
  if (path === '') throw new VarveError('usage', `repository "${location}": the directory is missing`);
  if (path === location) refuseForeignLocation(location);
  const { LocalStore } = await import('./local/local-store.js');
  const local = new LocalStore(path);
  if (settings.onDebug === undefined) return local;
  const { LoggedStore } = await import('./guards/logged.js');
  return new LoggedStore(local, settings.onDebug);
}

function withoutLock(scheme: string | undefined): VarveError {
  const kind = scheme === undefined || scheme === 'local' ? 'a directory' : `${scheme}:`;
  return new VarveError(
    'usage',
    `--object-lock: ${kind} has no Object Lock, only S3 has: leave it out, and unset VARVE_OBJECT_LOCK`,
  );
}
