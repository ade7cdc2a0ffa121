// The layout of a repository in a directory, as restic has it.
// Local and SFTP stores read and write there.
import type { ObjectType } from './store.js';

/** The layout of a repository in a directory, as in restic's local and sftp backends: `keys/1234…`, `data/ab/abcd…`. */
export const DIRECTORIES: readonly ObjectType[] = ['keys', 'data', 'index', 'snapshots', 'locks'];
export const FILE_MODE = 0o600;
export const DIRECTORY_MODE = 0o700;

/** The directories in data/. */
export const SHARDS: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** The prefix of temporary files. A crash may leave one; a later listing removes those older than a day. */
export const TEMPORARY = '.tmp-';
export const TEMPORARY_AGE_SECONDS = 24 * 3600;
/**
 * The repository's own directory, which holds `config`, is never listed. Its temporary files are removed with a listing of this type, which
 * every writer lists.
 */
export const LISTED_WITH_ROOT: ObjectType = 'locks';

/** The path of an object below the repository's directory. */
export function objectFile(type: ObjectType, name: string): string {
  if (type === 'config') return 'config';
  return type === 'data' ? `data/${name.slice(0, 2)}/${name}` : `${type}/${name}`;
}
