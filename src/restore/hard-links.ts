import type { Buffer } from 'node:buffer';
import type { EntryReader } from '../format/entry-reader.js';

/** A file's second name, or a further one. */
export interface FurtherName {
  readonly path: Buffer;
  /** The first. */
  readonly to: Buffer;
  /** Of the file, bytes. */
  readonly size: number;
}

/** Which names of a snapshot are names of one file. */
export class HardLinks {
  /** The first path of each file with several names, and how many more are to come. */
  readonly #first = new Map<string, { readonly path: Buffer; more: number }>();
  #waiting: FurtherName[] = [];

  /** Links to be made. */
  get size(): number {
    return this.#waiting.length;
  }

  /** The first path of the file that the entry is a name of; undefined when it is this one. */
  firstOf(path: Buffer, entry: EntryReader): Buffer | undefined {
    const key = `${entry.device}:${entry.inode}`;
    const known = this.#first.get(key);
    if (known === undefined) {
      this.#first.set(key, { path, more: entry.links - 1 });
      return undefined;
    }
    if (--known.more === 0) this.#first.delete(key);
    return known.path;
  }

  add(name: FurtherName): void {
    this.#waiting.push(name);
  }

  /** What was added, which is then forgotten. */
  take(): FurtherName[] {
    const names = this.#waiting;
    this.#waiting = [];
    return names;
  }
}
