import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ErrorCode, errnoCode, systemReason, VarveError } from '../errors/errors.js';

/** Explains why a file of a repository could not be read or written, and says what to do when another user owns it. */

/** Characters that a shell does not interpret. */
const PLAIN_PATH = /^[A-Za-z0-9_./:@%+,-]+$/;

/**
 * An error of the file system.
 *
 * @param root the repository's directory
 * @param doing "cannot read data/abcd…"
 */
export function fileError(cause: unknown, path: string, root: string, doing: string): VarveError {
  const errno = errnoCode(cause);
  const isPermission = errno === 'EACCES' || errno === 'EPERM';
  const remedy = isPermission ? remedyFor(path, root) : '';
  const code: ErrorCode = isPermission || errno === 'EROFS' ? 'denied' : 'storage';
  return new VarveError(code, `${doing}: ${path}: ${systemReason(cause)}${remedy}`, { cause });
}

/** The owner of the file, and what to do. Empty where the modes do not explain the refusal. */
function remedyFor(path: string, root: string): string {
  const uid = process.geteuid?.();
  const stat = nearest(path, root);
  if (uid === undefined || stat === undefined) return '';
  if (uid === 0)
    return '; root itself is refused here, as NFS and FUSE do, and attributes (`lsattr`): run varve as the owner of the repository';
  if (stat.uid === uid)
    return `; varve runs as its owner, and its mode is ${octal(stat)}: \`chmod -R u+rwX ${quoted(root)}\``;
  const owner = `; it belongs to ${userName(stat.uid)} (mode ${octal(stat)}), and varve runs as ${userName(uid)}`;
  const directory = statOf(root);
  if (directory === undefined || directory.uid === stat.uid) return `${owner}: run varve as ${userName(stat.uid)}`;
  return `${owner}; as root, \`chown -R --reference=${quoted(root)} ${quoted(root)}\` gives all of it to the owner of the repository, ${userName(directory.uid)}`;
}

/** The file, or the last directory on the way to it that can be read. */
function nearest(path: string, root: string): Stats | undefined {
  for (let at = path; at.length >= root.length; at = dirname(at)) {
    const stat = statOf(at);
    if (stat !== undefined) return stat;
    if (at === dirname(at)) break;
  }
  return undefined;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

const octal = ({ mode }: Stats): string => (mode & 0o7777).toString(8).padStart(4, '0');
const userName = (uid: number): string => (uid === 0 ? 'root' : `user ${uid}`);
const quoted = (path: string): string => (PLAIN_PATH.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
