// Apache's htpasswd files: parsing, adding a user, hashing and verifying passwords.
// Reading and writing the file is left to password-file.ts and server.ts.

import { Buffer } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import { compare, hash, truncates } from 'bcryptjs';
import { VarveError } from '../errors/errors.js';

/** Hashes of passwords by user name. */
export type Users = ReadonlyMap<string, string>;

/** 1024 rounds. Each login pays them once in 15 minutes. */
const COST = 10;
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1\d)\$[./0-9A-Za-z]{53}$/;
const SHA1 = /^\{SHA\}[A-Za-z0-9+/]{27}=$/;

const MIN_COST = 4;

/**
 * Parses the text of an htpasswd file.
 *
 * @param onIgnored called with each user whose password hash has an unsupported format
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

/** The highest cost of the users' bcrypt hashes. */
export function highestCost(users: Users): number {
  return Math.max(MIN_COST, ...[...users.values()].map(costOf));
}

/**
 * Whether this password matches the stored hash. Takes equally long for every user and for names that do not exist,
 * so that the time reveals neither which users exist nor how their passwords are hashed.
 *
 * @param stored undefined when there is no such user
 * @param highest the file's `highestCost`
 */
export async function isPassword(password: string, stored: string | undefined, highest: number): Promise<boolean> {
  const isBcrypt = stored !== undefined && !stored.startsWith(SHA1_PREFIX);
  const cost = isBcrypt ? costOf(stored) : undefined;
  const right = isBcrypt ? await compare(password, stored) : isSha1(password, stored);
  if (cost === undefined) await compare(password, unmatchableHash(highest));
  // Each step of the cost doubles the work: 2^c + 2^c + 2^(c+1) + … + 2^(h-1) is 2^h.
  else for (let step = cost; step < highest; step++) await compare(password, unmatchableHash(step));
  return right;
}

const SHA1_PREFIX = '{SHA}';
/** A hash that no password matches. */
const unmatchableHash = (cost: number): string => `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}`;
const costOf = (stored: string): number => (BCRYPT.test(stored) ? Number(stored.slice(4, 6)) : MIN_COST);

function isSha1(password: string, stored: string | undefined): boolean {
  const digest = createHash('sha1').update(password).digest();
  const wanted = Buffer.from((stored ?? '').slice(SHA1_PREFIX.length), 'base64');
  return wanted.length === digest.length && timingSafeEqual(digest, wanted);
}

/** @throws VarveError `usage` when the password is longer than bcrypt reads */
export async function hashPassword(password: string): Promise<string> {
  if (truncates(password)) throw new VarveError('usage', 'the password is too long: bcrypt reads only 72 bytes');
  return hash(password, COST);
}

/** The file's text with the user's hash added or replaced. */
export function withUser(text: string, user: string, hashed: string): string {
  const line = `${user}:${hashed}`;
  const lines = text.split('\n').filter((each) => each !== '');
  const at = lines.findIndex((each) => each.startsWith(`${user}:`));
  return `${(at < 0 ? [...lines, line] : lines.with(at, line)).join('\n')}\n`;
}
