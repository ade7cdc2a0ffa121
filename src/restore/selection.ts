// Which entries a restore takes, by includes and excludes.
// restore.ts walks the tree.
import type { Buffer } from 'node:buffer';
import { PatternList } from '../filesystem/patterns.js';
import type { RestoreOptions } from './options.js';

/** Whether a path of the snapshot is selected. */
export interface Choice {
  readonly selected: boolean;
  /** Whether something below it may be selected. */
  readonly descend: boolean;
}

const ALL: Choice = { selected: true, descend: true };
const NONE: Choice = { selected: false, descend: false };

/** restic's --include and --exclude: patterns for the path in the snapshot, with a leading slash. */
export class Selection {
  readonly #includes: readonly PatternList[];
  readonly #excludes: readonly PatternList[];

  constructor(options: Pick<RestoreOptions, 'includes' | 'excludes'>) {
    const compile = (specs: RestoreOptions['includes']): PatternList[] =>
      (specs ?? []).map((spec) => new PatternList(spec)).filter((list) => !list.empty);
    this.#includes = compile(options.includes);
    this.#excludes = compile(options.excludes);
  }

  choose(path: Buffer): Choice {
    for (const list of this.#excludes) if (list.match(path).matched) return NONE;
    if (this.#includes.length === 0) return ALL;
    let descend = false;
    for (const list of this.#includes) {
      const match = list.match(path);
      if (match.matched) return ALL;
      descend ||= match.childMayMatch;
    }
    return { selected: false, descend };
  }
}
