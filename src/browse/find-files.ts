import type { Buffer } from 'node:buffer';
import { PatternList, type PatternSpec } from '../filesystem/patterns.js';
import type { Entry } from '../format/entry.js';
import type { EntryReader } from '../format/entry-reader.js';
import { compareTimes, type Time } from '../format/time.js';
import type { Finder, Found } from './search.js';

/** Which files are looked for: all of it must be so. */
export interface FileCriteria extends PatternSpec {
  /** Changed at this time or later. */
  readonly oldest?: Time;
  /** Changed at this time or earlier. */
  readonly newest?: Time;
  /** Bytes; with either only files are found. */
  readonly minSize?: number;
  readonly maxSize?: number;
}

export interface FoundFile {
  /** In the snapshot, with a slash in front. */
  readonly path: Buffer;
  /** Without its content and attachments. */
  readonly entry: Entry;
}

/** Finds files, directories and all else by path, time and size. What matches as a directory does so with all that is in it. */
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
