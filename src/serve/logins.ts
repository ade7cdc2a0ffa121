import { Buffer } from 'node:buffer';
import { createHmac, randomBytes } from 'node:crypto';
import type { Users } from './htpasswd.js';
import { Refusal } from './refusal.js';

/** Milliseconds for which a password that was right is known to be so. */
const REMEMBERED = 15 * 60 * 1000;
const MOST_REMEMBERED = 10_000;
/** Comparing a password takes tens of milliseconds: so many may wait for it, the rest come again. */
const MOST_WAITING = 50;
const LONGEST_HEADER = 1024;

const UNAUTHORIZED = { 'WWW-Authenticate': 'Basic realm="varve", charset="UTF-8"' };

/** @param stored undefined when there is no such user */
export type ComparePassword = (password: string, stored: string | undefined) => Promise<boolean>;

/**
 * Tells who a request is from. Passwords that were right are remembered for a while, by a hash with a key that is made at random and never
 * leaves this process; with the user's line in the password file changed, they are no longer right.
 */
export class Logins {
  readonly #users: () => Users;
  readonly #key = randomBytes(32);
  /** When they are forgotten, by performance.now(). */
  readonly #right = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<boolean>>();
  readonly #isPassword: ComparePassword;

  constructor(users: () => Users, isPassword: ComparePassword) {
    this.#users = users;
    this.#isPassword = isPassword;
  }

  /**
   * The user's name.
   *
   * @param authorization the header
   * @throws Refusal 401, or 503 when too many wait for their passwords to be compared
   */
  async userOf(authorization: string | undefined): Promise<string> {
    const { user, password } = credentials(authorization);
    const stored = this.#users().get(user);
    const seal = this.#seal(user, password, stored ?? '');
    if (!this.#isKnown(seal) && !(await this.#isRight(seal, password, stored)))
      throw unauthorized('wrong user name or password');
    return user;
  }

  #isKnown(seal: string): boolean {
    return (this.#right.get(seal) ?? 0) > performance.now();
  }

  /** A client opens several connections at once: the password is compared once for all of them. */
  async #isRight(seal: string, password: string, stored: string | undefined): Promise<boolean> {
    const known = this.#underWay.get(seal);
    if (known !== undefined) return known;
    if (this.#underWay.size >= MOST_WAITING)
      throw new Refusal(503, 'too many logins at a time', { 'Retry-After': '5' });
    const comparing = this.#isPassword(password, stored);
    this.#underWay.set(seal, comparing);
    try {
      const right = await comparing;
      if (right) this.#remember(seal);
      return right;
    } finally {
      this.#underWay.delete(seal);
    }
  }

  #remember(seal: string): void {
    const now = performance.now();
    if (this.#right.size >= MOST_REMEMBERED) this.#right.clear();
    this.#right.set(seal, now + REMEMBERED);
  }

  #seal(user: string, password: string, stored: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([user, password, stored]))
      .digest('base64');
  }
}

function credentials(authorization: string | undefined): { user: string; password: string } {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+=*) *$/i.exec((authorization ?? '').slice(0, LONGEST_HEADER)) ?? [];
  if (encoded === undefined) throw unauthorized('a user name and a password are needed');
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw unauthorized('a user name and a password are needed');
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function unauthorized(why: string): Refusal {
  return new Refusal(401, why, UNAUTHORIZED);
}
