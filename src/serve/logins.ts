import { Buffer } from 'node:buffer';
import { createHmac, randomBytes } from 'node:crypto';
import { highestCost, type Users } from './htpasswd.js';
import { Refusal } from './refusal.js';

/** Milliseconds for which a password that was right is known to be so. */
const REMEMBERED = 15 * 60 * 1000;
const MOST_REMEMBERED = 10_000;
/** Comparing a password takes tens of milliseconds: so many may wait for it, the rest come again. */
const MOST_WAITING = 64;
/** Of those, from addresses without a right login of late: a flood of wrong ones leaves places for others. */
const MOST_STRANGERS = 48;
const MOST_OF_ADDRESS = 16;
/** For one user, from one address. */
const MOST_OF_USER = 4;
const LONGEST_HEADER = 1024;

const UNAUTHORIZED = { 'WWW-Authenticate': 'Basic realm="varve", charset="UTF-8"' };

/** @param stored undefined when there is no such user @param highest as `highestCost` returns it */
export type ComparePassword = (password: string, stored: string | undefined, highest: number) => Promise<boolean>;

/** A login whose password is being compared, or waits for it. */
interface Waiting {
  readonly user: string;
  readonly address: string;
  readonly isRight: Promise<boolean>;
}

/**
 * Tells who a request is from. Passwords that were right are remembered for a while, by a hash with a key that is made at random and never
 * leaves this process; with the user's line in the password file changed, they are no longer right.
 */
export class Logins {
  readonly #users: () => Users;
  readonly #key = randomBytes(32);
  /** When they are forgotten, by performance.now(). */
  readonly #right = new Map<string, number>();
  /** When addresses with a right login are forgotten, by performance.now(). */
  readonly #knownAddresses = new Map<string, number>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #isPassword: ComparePassword;

  constructor(users: () => Users, isPassword: ComparePassword) {
    this.#users = users;
    this.#isPassword = isPassword;
  }

  /**
   * The user's name.
   *
   * @param authorization the header
   * @param address the client's
   * @throws Refusal 401, or 503 when too many wait for their passwords to be compared
   */
  async userOf(authorization: string | undefined, address: string): Promise<string> {
    const { user, password } = credentials(authorization);
    const users = this.#users();
    const stored = users.get(user);
    const seal = this.#seal(user, password, stored ?? '');
    if (!isLater(this.#right.get(seal))) {
      const compare = (): Promise<boolean> => this.#isPassword(password, stored, highestCost(users));
      if (!(await this.#isRight(seal, { user, address }, compare))) throw unauthorized('wrong user name or password');
    }
    return user;
  }

  /** A client opens several connections at once: the password is compared once for all of them. */
  async #isRight(
    seal: string,
    from: Pick<Waiting, 'user' | 'address'>,
    compare: () => Promise<boolean>,
  ): Promise<boolean> {
    const known = this.#waiting.get(seal);
    if (known !== undefined) return known.isRight;
    this.#requirePlace(from);
    const isRight = compare();
    this.#waiting.set(seal, { ...from, isRight });
    try {
      const right = await isRight;
      if (right) {
        remember(this.#right, seal);
        remember(this.#knownAddresses, from.address);
      }
      return right;
    } finally {
      this.#waiting.delete(seal);
    }
  }

  /** @throws Refusal 503 when too many wait, in all, from the address, or for the user */
  #requirePlace({ user, address }: Pick<Waiting, 'user' | 'address'>): void {
    const sameAddress = [...this.#waiting.values()].filter((each) => each.address === address);
    const sameUser = sameAddress.filter((each) => each.user === user);
    const most = isLater(this.#knownAddresses.get(address)) ? MOST_WAITING : MOST_STRANGERS;
    if (this.#waiting.size >= most || sameAddress.length >= MOST_OF_ADDRESS || sameUser.length >= MOST_OF_USER)
      throw new Refusal(503, 'too many logins at a time', { 'Retry-After': '5' });
  }

  #seal(user: string, password: string, stored: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([user, password, stored]))
      .digest('base64');
  }
}

const isLater = (time = 0): boolean => time > performance.now();

function remember(times: Map<string, number>, key: string): void {
  if (times.size >= MOST_REMEMBERED) times.clear();
  times.set(key, performance.now() + REMEMBERED);
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
