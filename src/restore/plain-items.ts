import { Buffer } from 'node:buffer';
import { inBatches } from './batches.js';
import type { FileTarget, RestorePool } from './messages.js';
import type { RestoreReporter } from './reporter.js';

interface PlainItem {
  readonly target: FileTarget;
  readonly size: number;
  /** Whether something of the same type exists, which may match. */
  readonly existing: boolean;
}

/** Items without blobs: new empty files, symbolic links, special files. */
export class PlainItems {
  readonly #reporter: RestoreReporter;
  #items: PlainItem[] = [];

  constructor(reporter: RestoreReporter) {
    this.#reporter = reporter;
  }

  get count(): number {
    return this.#items.length;
  }

  add(item: PlainItem): void {
    this.#items.push(item);
  }

  /** Reports what would be restored. */
  reportAll(): void {
    for (const { target, size } of this.#items) this.#reporter.restored(Buffer.from(target.path), size);
  }

  /** Reports and drops the items that exist and match. */
  async dropMatching(pool: RestorePool): Promise<void> {
    const gone = new Set<PlainItem>();
    await Promise.all(
      inBatches(this.#items.filter(({ existing }) => existing)).map(async (items) => {
        const { matching } = await pool.run({ kind: 'matchSpecial', files: items.map(({ target }) => target) });
        for (const number of matching) {
          const item = items[number] as PlainItem;
          gone.add(item);
          this.#reporter.kept(Buffer.from(item.target.path), item.size, false);
        }
      }),
    );
    this.#items = this.#items.filter((item) => !gone.has(item));
  }

  async restore(pool: RestorePool): Promise<void> {
    await Promise.all(
      inBatches(this.#items).map(async (items) => {
        const { errors, failed } = await pool.run({ kind: 'plain', files: items.map(({ target }) => target) });
        this.#reporter.errors(errors);
        for (const [number, { target, size }] of items.entries()) {
          if (!failed.includes(number)) this.#reporter.restored(Buffer.from(target.path), size);
        }
      }),
    );
  }
}
