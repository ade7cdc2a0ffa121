import { Buffer } from 'node:buffer';
import type { Account } from './account.js';
import { inBatches } from './batches.js';
import type { FileTarget, RestorePool } from './messages.js';

interface PlainItem {
  readonly target: FileTarget;
  readonly size: number;
  /** Whether something of its kind is there, which may be right. */
  readonly existing: boolean;
}

/** What is restored without a blob: new empty files, links, devices. */
export class PlainItems {
  readonly #account: Account;
  #items: PlainItem[] = [];

  constructor(account: Account) {
    this.#account = account;
  }

  get count(): number {
    return this.#items.length;
  }

  add(item: PlainItem): void {
    this.#items.push(item);
  }

  /** What would be restored. */
  tellAll(): void {
    for (const { target, size } of this.#items) this.#account.done(Buffer.from(target.path), size);
  }

  /** Those that are right already are told, and dropped. */
  async dropStanding(pool: RestorePool): Promise<void> {
    const gone = new Set<PlainItem>();
    await Promise.all(
      inBatches(this.#items.filter(({ existing }) => existing)).map(async (items) => {
        const { there } = await pool.run({ kind: 'stands', files: items.map(({ target }) => target) });
        for (const number of there) {
          const item = items[number] as PlainItem;
          gone.add(item);
          this.#account.left(Buffer.from(item.target.path), item.size, false);
        }
      }),
    );
    this.#items = this.#items.filter((item) => !gone.has(item));
  }

  async restore(pool: RestorePool): Promise<void> {
    await Promise.all(
      inBatches(this.#items).map(async (items) => {
        const { errors, failed } = await pool.run({ kind: 'plain', files: items.map(({ target }) => target) });
        this.#account.errors(errors);
        for (const [number, { target, size }] of items.entries()) {
          if (!failed.includes(number)) this.#account.done(Buffer.from(target.path), size);
        }
      }),
    );
  }
}
