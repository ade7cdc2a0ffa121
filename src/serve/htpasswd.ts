import { Buffer } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import { compare, hash, truncates } from 'bcryptjs';
import { VarveError } from '../errors/errors.js';

/** Users and the hashes of their passwords. */
export type Users = ReadonlyMap<string, string>;

/** As much work as 1024 rounds; each login pays it once in a while. */
const COST = 10;
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1\d)\$[./0-9A-Za-z]{53}$/;
const SHA1 = /^\{SHA\}[A-Za-z0-9+/]{27}=$/;

/** Nobody's: so that a name that does not exist takes as long as a wrong password. */
const NOBODY = `$2b$${COST}$${'.'.repeat(53)}`;

/**
 * Reads a file as Apache's htpasswd makes it.
 *
 * @param onIgnored told of users whose passwords are hashed in a way that is not read
 */
export function parseHtpasswd(text: string, onIgnored: (user: string) => void): Users {
  const users = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const [user, stored] = colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (user !== '' && (BCRYPT.test(stored) || SHA1.test(stored))) users.set(user, stored);
    else onIgnored(user);
  }
  return users;
}

/** Whether this is the password that was hashed. @param stored undefined when there is no such user, which takes as long to find */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  if (stored?.startsWith('{SHA}')) {
    const digest = createHash('sha1').update(password).digest();
    return timingSafeEqual(digest, Buffer.from(stored.slice('{SHA}'.length), 'base64'));
  }
  return (await compare(password, stored ?? NOBODY)) && stored !== undefined;
}

/** @throws VarveError `usage` when the password is longer than bcrypt reads */
export async function hashPassword(password: string): Promise<string> {
  if (truncates(password))
    throw new VarveError('usage', 'the password is too long: bcrypt reads no more than 72 bytes');
  return hash(password, COST);
}

/** The file's text with a user's hash added, or in the place of the one before. */
export function withUser(text: string, user: string, hashed: string): string {
  const line = `${user}:${hashed}`;
  const lines = text.split('\n').filter((each) => each !== '');
  const at = lines.findIndex((each) => each.startsWith(`${user}:`));
  return `${(at < 0 ? [...lines, line] : lines.with(at, line)).join('\n')}\n`;
}
