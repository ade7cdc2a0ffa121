import { Buffer } from 'node:buffer';
import { HASH_NAME, type ObjectType } from '../storage/store.js';

/** Namespaces of objects whose name is the hash of their content. */
export type HashedType = Exclude<ObjectType, 'config'>;

/** What a request is about. `repository` is the path of the repository's directory, name by name. */
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
/** Names in the path of a repository. */
export const DEEPEST_REPOSITORY = 8;
const LONGEST_NAME = 255;
/** Letters of any script, digits, and a few signs; a dot or a space neither first nor, for the space, last. */
const DIRECTORY_NAME = /^[\p{L}\p{N}_@+~=,-](?:[\p{L}\p{M}\p{N} ._@+~=,-]*[\p{L}\p{M}\p{N}._@+~=,-])?$/u;

/** Whether a directory of a repository, and so a user with a repository of their own, may be called that. */
export function isDirectoryName(name: string): boolean {
  return DIRECTORY_NAME.test(name) && Buffer.byteLength(name) <= LONGEST_NAME && !HASHED.has(name) && name !== 'config';
}

/**
 * Undefined when nothing can be called that: a path consists of names that are as the grammar says and nothing else, so that no path leads out
 * of the directory that is served.
 *
 * @param path of the URL, as it was sent, without the query
 */
export function parseTarget(path: string): Target | undefined {
  if (path === '/metrics') return { kind: 'metrics' };
  const names = decoded(path);
  if (names === undefined) return undefined;
  const at = names.findIndex((name) => HASHED.has(name) || name === 'config');
  const repository = at < 0 ? names : names.slice(0, at);
  if (repository.length > DEEPEST_REPOSITORY || !repository.every(isDirectoryName)) return undefined;
  if (at < 0) return { kind: 'repository', repository };
  const [type, name, ...more] = names.slice(at);
  if (more.length > 0) return undefined;
  if (type === 'config')
    return name === undefined ? { kind: 'object', repository, type: 'config', name: 'config' } : undefined;
  if (name === undefined) return { kind: 'list', repository, type: type as HashedType };
  return HASH_NAME.test(name) ? { kind: 'object', repository, type: type as HashedType, name } : undefined;
}

/** The names between the slashes; one slash at the end is of no importance. */
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

/** `anna/laptop/data/1a2b…`, as the log calls it. */
export function targetPath(target: Target): string {
  if (target.kind === 'metrics') return 'metrics';
  const directory = target.repository.join('/');
  const slash = directory === '' ? '' : '/';
  if (target.kind === 'repository') return `${directory}/`;
  if (target.kind === 'list') return `${directory}${slash}${target.type}/`;
  return directory + slash + (target.type === 'config' ? 'config' : `${target.type}/${target.name}`);
}
