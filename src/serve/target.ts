// The grammar of paths: which object, list or repository a request is about.
// What may be done with it is left to access.ts, and doing it to actions.ts.

import { Buffer } from 'node:buffer';
import { HASH_NAME, type ObjectType } from '../storage/store.js';

/** Namespaces of objects whose name is the hash of their content. */
export type HashedType = Exclude<ObjectType, 'config'>;

/** What a request is about. `repository` has the names in the path of the repository's directory. */
export type Target =
  | { readonly kind: 'metrics' }
  | { readonly kind: 'repository'; readonly repository: readonly string[] }
  | { readonly kind: 'list'; readonly repository: readonly string[]; readonly type: HashedType }
  | {
      readonly kind: 'object';
      readonly repository: readonly string[];
      readonly type: ObjectType;
      readonly name: string;
    };

const HASHED = new Set<string>(['data', 'index', 'keys', 'locks', 'snapshots'] satisfies HashedType[]);
/** Directories in the path of a repository. */
export const MAX_REPOSITORY_DEPTH = 8;
const MAX_NAME = 255;
/** Letters of any script, digits and a few signs. No dot or space at the beginning, no space at the end. */
const DIRECTORY_NAME = /^[\p{L}\p{N}_@+~=,-](?:[\p{L}\p{M}\p{N} ._@+~=,-]*[\p{L}\p{M}\p{N}._@+~=,-])?$/u;

/** Whether a directory in a repository's path may have this name, and so a user with repositories of their own. */
export function isDirectoryName(name: string): boolean {
  return DIRECTORY_NAME.test(name) && Buffer.byteLength(name) <= MAX_NAME && !HASHED.has(name) && name !== 'config';
}

/**
 * Parses the path of a request. Undefined when it does not match the grammar. No path that matches leads out of the
 * directory that is served.
 *
 * @param path of the URL, still encoded, without the query
 */
export function parseTarget(path: string): Target | undefined {
  if (path === '/metrics') return { kind: 'metrics' };
  const names = decoded(path);
  if (names === undefined) return undefined;
  const at = names.findIndex((name) => HASHED.has(name) || name === 'config');
  const repository = at < 0 ? names : names.slice(0, at);
  if (repository.length > MAX_REPOSITORY_DEPTH || !repository.every(isDirectoryName)) return undefined;
  if (at < 0) return { kind: 'repository', repository };
  const [type, name, ...more] = names.slice(at);
  if (more.length > 0) return undefined;
  if (type === 'config')
    return name === undefined ? { kind: 'object', repository, type: 'config', name: 'config' } : undefined;
  if (name === undefined) return { kind: 'list', repository, type: type as HashedType };
  return HASH_NAME.test(name) ? { kind: 'object', repository, type: type as HashedType, name } : undefined;
}

/** The names between the slashes. A slash at the end is ignored. */
function decoded(path: string): string[] | undefined {
  if (!path.startsWith('/')) return undefined;
  const inner = path.slice(1, path.endsWith('/') && path.length > 1 ? -1 : undefined);
  if (inner === '') return [];
  try {
    return inner.split('/').map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** The path as the log shows it: `anna/laptop/data/1a2b…`. */
export function targetPath(target: Target): string {
  if (target.kind === 'metrics') return 'metrics';
  const directory = target.repository.join('/');
  const slash = directory === '' ? '' : '/';
  if (target.kind === 'repository') return `${directory}/`;
  if (target.kind === 'list') return `${directory}${slash}${target.type}/`;
  return directory + slash + (target.type === 'config' ? 'config' : `${target.type}/${target.name}`);
}
