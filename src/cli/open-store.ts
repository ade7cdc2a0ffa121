import { VarveError } from '../errors/errors.js';
import type { Store } from '../storage/store.js';

/** What stands before the colon of places that are not folders. */
const LATER = new Set(['s3', 'sftp', 'rest', 'rclone', 'b2', 'azure', 'gs', 'swift']);

/** The store that a repository's place names: a folder, or `local:FOLDER`. */
export async function openStore(place: string): Promise<Store> {
  const [, scheme, rest = ''] = /^([a-z0-9]+):(.*)$/s.exec(place) ?? [];
  if (scheme !== undefined && LATER.has(scheme)) {
    throw new VarveError(
      'usage',
      `${scheme}: repositories are not supported yet by this version: use a local folder, or mount the storage`,
    );
  }
  const path = scheme === 'local' ? rest : place;
  if (path === '') throw new VarveError('usage', `repository "${place}": no folder is given`);
  const { LocalStore } = await import('../storage/local/local-store.js');
  return new LocalStore(path);
}
