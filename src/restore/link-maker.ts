import { type Account, inSnapshot } from './account.js';
import type { FurtherName } from './hard-links.js';
import type { RestorePool } from './messages.js';
import type { Target } from './target.js';

const LINKS_PER_TASK = 512;

/** Makes further names of files, once the first is there; in a dry run it tells what it would make. */
export class LinkMaker {
  readonly #pool: RestorePool | undefined;
  readonly #target: Target | undefined;
  readonly #account: Account;

  /** @param pool undefined in a dry run */
  constructor(pool: RestorePool | undefined, target: Target | undefined, account: Account) {
    this.#pool = pool;
    this.#target = target;
    this.#account = account;
  }

  async make(names: readonly FurtherName[]): Promise<void> {
    if (this.#pool === undefined) {
      for (const name of names) this.#wouldLink(name);
      return;
    }
    for (let at = 0; at < names.length; at += LINKS_PER_TASK) {
      const links = names.slice(at, at + LINKS_PER_TASK).filter((link) => this.#firstIsThere(link));
      const { errors, failed, there } = await this.#pool.run({ kind: 'link', links });
      this.#account.errors(errors);
      for (const [number, { path, size }] of links.entries()) {
        if (there.includes(number)) this.#account.left(path, size, false);
        else if (!failed.includes(number)) this.#account.done(path, size);
      }
    }
  }

  #wouldLink({ path, to, size }: FurtherName): void {
    const [name, first] = [this.#target?.stat(path), this.#target?.stat(to)];
    const same = name !== undefined && name.inode === first?.inode && name.device === first.device;
    if (same && this.#account.isStanding(to)) this.#account.left(path, size, false);
    else this.#account.done(path, size);
  }

  #firstIsThere({ path, to }: FurtherName): boolean {
    const there = !this.#account.hasFailed(to);
    const message = `is a hard link to ${inSnapshot(to)}, which could not be restored`;
    if (!there) this.#account.report({ path, message, kind: 'content' });
    return there;
  }
}
