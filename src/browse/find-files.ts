// Finds entries by path, time and size.
// Walking the snapshots is left to search.ts.

import type { Buffer } from 'node:buffer';
import { PatternList, type PatternSpec } from '../filesystem/patterns.js';
import type { Entry } from '../format/entry.js';
import type { EntryReader } from '../format/entry-reader.js';
import { compareTimes, type Time } from '../time/time.js';
import type { Finder, Found } from './search.js';

/** What to find. Every criterion must hold. */
export interface FileCriteria extends PatternSpec {
  /** Modified at this time or later. */
  readonly oldest?: Time;
  /** Modified at this time or earlier. */
  readonly newest?: Time;
  /** Bytes. With a size, only files are found. */
  readonly minSize?: number;
  readonly maxSize?: number;
}

export interface FoundFile {
  /** The path in the snapshot, with a slash at its beginning. */
  readonly path: Buffer;
  /** The entry without content and attachments. */
  readonly entry: Entry;
}

/** Finds entries of any type. A directory that matches is found together with everything below it. */
export class FileFinder implements Finder<FoundFile> {
  readonly #criteria: FileCriteria;
  readonly #patterns: PatternList;

  constructor(criteria: FileCriteria) {
    this.#criteria = criteria;
    this.#patterns = new PatternList(criteria);
  }

  look(path: Buffer, entry: EntryReader): Found<FoundFile> {
    const { matched, childMayMatch } = this.#patterns.match(path);
    if (!matched || !this.#hasTime(entry) || !this.#hasSize(entry)) return { hits: [], below: childMayMatch };
    const bare = { ...entry.entry(), content: undefined, xattrs: undefined, holes: undefined };
    return { hits: [{ path, entry: bare }], below: childMayMatch };
  }

  #hasTime({ mtimeSeconds, mtimeNanoseconds }: EntryReader): boolean {
    const { oldest, newest } = this.#criteria;
    const time = { seconds: mtimeSeconds, nanoseconds: mtimeNanoseconds };
    if (oldest !== undefined && compareTimes(time, oldest) < 0) return false;
    return newest === undefined || compareTimes(time, newest) <= 0;
  }

  #hasSize({ type, size }: EntryReader): boolean {
    const { minSize, maxSize } = this.#criteria;
    if (minSize === undefined && maxSize === undefined) return true;
    return type === 'file' && size >= (minSize ?? 0) && size <= (maxSize ?? Number.POSITIVE_INFINITY);
  }
}
