import type { ObjectType } from './store.js';

/** How a repository lies in a directory, as restic's local and sftp backends have it: `keys/1234…`, `data/ab/abcd…`. */
export const DIRECTORIES: readonly ObjectType[] = ['keys', 'data', 'index', 'snapshots', 'locks'];
export const FILE_MODE = 0o600;
export const DIRECTORY_MODE = 0o700;

/** The directories of data/. */
export const SHARDS: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Temporary files begin with this; a crash may leave one, and a later listing removes those older than a day. */
export const TEMPORARY = '.tmp-';
export const TEMPORARY_AGE_SECONDS = 24 * 3600;
/** The repository's own directory, where `config` is written, is never listed itself: it is cleared with these, which all that write list. */
export const LISTED_WITH_ROOT: ObjectType = 'locks';

/** The path of an object below the repository's directory. */
export function objectFile(type: ObjectType, name: string): string {
  if (type === 'config') return 'config';
  return type === 'data' ? `data/${name.slice(0, 2)}/${name}` : `${type}/${name}`;
}
