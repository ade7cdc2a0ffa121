import { chownSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { hashPassword, withUser } from './htpasswd.js';
import { isDirectoryName } from './target.js';

const MODE = 0o600;

/**
 * Sets a user's password. Creates the password file if it does not exist.
 *
 * @throws VarveError `usage` when the name or the password is not allowed, or the file cannot be written
 */
export async function setPassword(path: string, user: string, password: string): Promise<void> {
  if (!isDirectoryName(user))
    throw new VarveError(
      'usage',
      `"${user}" is not a valid user name: use letters, digits and _ @ + ~ = , . - and do not begin with a dot`,
    );
  const hashed = await hashPassword(password);
  try {
    const before = statSync(path, { throwIfNoEntry: false });
    replaceFile(path, withUser(before === undefined ? '' : readFileSync(path, 'utf8'), user, hashed), before);
  } catch (cause) {
    throw new VarveError('usage', `cannot write the password file ${path}: ${systemReason(cause)}`, { cause });
  }
}

/** Replaces the file in one step: the server, perhaps under another user, reads either the old file or the new one. */
function replaceFile(path: string, text: string, before: { mode: number; uid: number; gid: number } | undefined): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, text, {
    mode: before === undefined ? MODE : before.mode & 0o777,
    flag: 'wx',
    flush: true,
  } as object);
  if (before !== undefined) keepOwner(temporary, before);
  renameSync(temporary, path);
}

function keepOwner(path: string, { uid, gid }: { uid: number; gid: number }): void {
  try {
    chownSync(path, uid, gid);
  } catch (cause) {
    if (errnoCode(cause) !== 'EPERM') throw cause;
  }
}
