// Finds out which names of a snapshot are hard links to one file.
// link-maker.ts makes the links.
import type { Buffer } from 'node:buffer';
import type { EntryReader } from '../format/entry-reader.js';

/** A second or later name of a file. */
export interface HardLink {
  readonly path: Buffer;
  /** The file's first name. */
  readonly to: Buffer;
  /** Size of the file in bytes. */
  readonly size: number;
}

/** Collects the hard links to make. */
export class HardLinks {
  /** The first path of each file with several names, and how many names are still to come. */
  readonly #first = new Map<string, { readonly path: Buffer; more: number }>();
  #waiting: HardLink[] = [];

  /** Number of links to make. */
  get size(): number {
    return this.#waiting.length;
  }

  /** The first path of the entry's file; undefined when this is the first. */
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

  add(name: HardLink): void {
    this.#waiting.push(name);
  }

  /** Returns the links added since the last call. */
  take(): HardLink[] {
    const names = this.#waiting;
    this.#waiting = [];
    return names;
  }
}
