import type { HardLink } from './hard-links.js';
import type { RestorePool } from './messages.js';
import { inSnapshot, type RestoreReporter } from './reporter.js';
import type { Target } from './target.js';

const LINKS_PER_TASK = 512;

/** Makes hard links, after their first names are restored. In a dry run it reports what it would make. */
export class LinkMaker {
  readonly #pool: RestorePool | undefined;
  readonly #target: Target | undefined;
  readonly #reporter: RestoreReporter;

  /** @param pool undefined in a dry run */
  constructor(pool: RestorePool | undefined, target: Target | undefined, reporter: RestoreReporter) {
    this.#pool = pool;
    this.#target = target;
    this.#reporter = reporter;
  }

  async make(names: readonly HardLink[]): Promise<void> {
    if (this.#pool === undefined) {
      for (const name of names) this.#wouldLink(name);
      return;
    }
    for (let at = 0; at < names.length; at += LINKS_PER_TASK) {
      const links = names.slice(at, at + LINKS_PER_TASK).filter((link) => this.#hasFirstName(link));
      const { errors, failed, existing } = await this.#pool.run({ kind: 'link', links });
      this.#reporter.errors(errors);
      for (const [number, { path, size }] of links.entries()) {
        if (existing.includes(number)) this.#reporter.kept(path, size, false);
        else if (!failed.includes(number)) this.#reporter.restored(path, size);
      }
    }
  }

  #wouldLink({ path, to, size }: HardLink): void {
    const [name, first] = [this.#target?.stat(path), this.#target?.stat(to)];
    const same = name !== undefined && name.inode === first?.inode && name.device === first.device;
    if (same && this.#reporter.hasKeptFirstName(to)) this.#reporter.kept(path, size, false);
    else this.#reporter.restored(path, size);
  }

  #hasFirstName({ path, to }: HardLink): boolean {
    const there = !this.#reporter.hasFailed(to);
    const message = `is a hard link to ${inSnapshot(to)}, which could not be restored`;
    if (!there) this.#reporter.report({ path, message, kind: 'content' });
    return there;
  }
}
