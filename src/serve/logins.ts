// Who sent a request: verifies logins and limits how many wait to be verified.
// bcrypt is left to htpasswd.ts and its thread to password-verifier.ts.

import { Buffer } from 'node:buffer';
import { createHmac, randomBytes } from 'node:crypto';
import { highestCost, type Users } from './htpasswd.js';
import { HttpError } from './http-error.js';

/** Milliseconds for which a verified password is remembered. */
const REMEMBERED = 15 * 60 * 1000;
const MAX_REMEMBERED = 10_000;
/** Verifying a password takes tens of milliseconds. This many may wait for it; others get 503. */
const MAX_WAITING = 64;
/** The limit for addresses without a recent successful login, so that a flood of wrong passwords cannot use up all slots. */
const MAX_WAITING_UNKNOWN = 48;
const MAX_PER_ADDRESS = 16;
/** Per user and address. */
const MAX_PER_USER = 4;
const MAX_HEADER = 1024;

const UNAUTHORIZED = { 'WWW-Authenticate': 'Basic realm="varve", charset="UTF-8"' };

/** @param stored undefined when there is no such user @param highest the file's `highestCost` */
export type VerifyPassword = (password: string, stored: string | undefined, highest: number) => Promise<boolean>;

/** A login whose password is being verified or waits to be. */
interface PendingLogin {
  readonly user: string;
  readonly address: string;
  readonly isRight: Promise<boolean>;
}

/**
 * Finds the user of a request. Remembers verified passwords for a while, as hashes with a random key that never leaves
 * this process. After a change of the user's line in the password file, the password is verified again.
 */
export class Logins {
  readonly #users: () => Users;
  readonly #key = randomBytes(32);
  /** When each verified login expires, by performance.now(). */
  readonly #verified = new Map<string, number>();
  /** When each address with a successful login expires, by performance.now(). */
  readonly #trustedAddresses = new Map<string, number>();
  readonly #waiting = new Map<string, PendingLogin>();
  readonly #isPassword: VerifyPassword;

  constructor(users: () => Users, isPassword: VerifyPassword) {
    this.#users = users;
    this.#isPassword = isPassword;
  }

  /**
   * Returns the name of the user.
   *
   * @param authorization the request's Authorization header
   * @param address the client's address
   * @throws HttpError 401, or 503 when too many logins wait to be verified
   */
  async userOf(authorization: string | undefined, address: string): Promise<string> {
    const { user, password } = credentials(authorization);
    const users = this.#users();
    const stored = users.get(user);
    const fingerprint = this.#fingerprint(user, password, stored ?? '');
    if (!isLater(this.#verified.get(fingerprint))) {
      const verify = (): Promise<boolean> => this.#isPassword(password, stored, highestCost(users));
      if (!(await this.#isRight(fingerprint, { user, address }, verify)))
        throw unauthorized('wrong user name or password');
    }
    return user;
  }

  /** A client opens several connections at once: they share one verification. */
  async #isRight(
    fingerprint: string,
    from: Pick<PendingLogin, 'user' | 'address'>,
    verify: () => Promise<boolean>,
  ): Promise<boolean> {
    const known = this.#waiting.get(fingerprint);
    if (known !== undefined) return known.isRight;
    this.#requireSlot(from);
    const isRight = verify();
    this.#waiting.set(fingerprint, { ...from, isRight });
    try {
      const right = await isRight;
      if (right) {
        remember(this.#verified, fingerprint);
        remember(this.#trustedAddresses, from.address);
      }
      return right;
    } finally {
      this.#waiting.delete(fingerprint);
    }
  }

  /** @throws HttpError 503 when too many logins wait: in all, from the address, or for the user */
  #requireSlot({ user, address }: Pick<PendingLogin, 'user' | 'address'>): void {
    const sameAddress = [...this.#waiting.values()].filter((each) => each.address === address);
    const sameUser = sameAddress.filter((each) => each.user === user);
    const most = isLater(this.#trustedAddresses.get(address)) ? MAX_WAITING : MAX_WAITING_UNKNOWN;
    if (this.#waiting.size >= most || sameAddress.length >= MAX_PER_ADDRESS || sameUser.length >= MAX_PER_USER)
      throw new HttpError(503, 'too many logins at once', { 'Retry-After': '5' });
  }

  #fingerprint(user: string, password: string, stored: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([user, password, stored]))
      .digest('base64');
  }
}

const isLater = (time = 0): boolean => time > performance.now();

function remember(times: Map<string, number>, key: string): void {
  if (times.size >= MAX_REMEMBERED) times.clear();
  times.set(key, performance.now() + REMEMBERED);
}

function credentials(authorization: string | undefined): { user: string; password: string } {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+=*) *$/i.exec((authorization ?? '').slice(0, MAX_HEADER)) ?? [];
  if (encoded === undefined) throw unauthorized('user name and password required');
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw unauthorized('user name and password required');
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function unauthorized(why: string): HttpError {
  return new HttpError(401, why, UNAUTHORIZED);
}
