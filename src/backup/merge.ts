import { Buffer } from 'node:buffer';
import { compareBytes } from '../bytes/views.js';
import { EntryReader } from '../format/entry-reader.js';
import type { LateEntry } from './messages.js';

/** A run of encoded entries; the reader stands at its next entry. */
interface Cursor {
  readonly reader: EntryReader;
}

/**
 * Merges runs of encoded entries, each in order of name, and single entries in any order.
 *
 * A binary heap orders the runs by their next name, because a directory of a million files may come in thousands of runs.
 */
export function* mergeEntries(runs: readonly Buffer[], late: readonly LateEntry[]): Generator<Uint8Array> {
  const single = Buffer.concat([...late].sort((a, b) => compareBytes(a.name, b.name)).map(({ raw }) => raw));
  const heap = new Heap();
  for (const run of [...runs, single]) heap.add({ reader: new EntryReader(run, 'directory') });
  for (let first = heap.first; first !== undefined; first = heap.first) {
    yield first.reader.raw;
    heap.advanceFirst();
  }
}

class Heap {
  readonly #cursors: Cursor[] = [];

  get first(): Cursor | undefined {
    return this.#cursors[0];
  }

  add(cursor: Cursor): void {
    if (!cursor.reader.next()) return;
    const cursors = this.#cursors;
    let at = cursors.push(cursor) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!comesBefore(cursor, cursors[above] as Cursor)) break;
      cursors[at] = cursors[above] as Cursor;
      at = above;
    }
    cursors[at] = cursor;
  }

  /** Moves the first run to its next entry, or removes it when it has none. */
  advanceFirst(): void {
    const cursors = this.#cursors;
    const first = cursors[0] as Cursor;
    if (first.reader.next()) return this.#sink(first);
    const last = cursors.pop() as Cursor;
    if (cursors.length > 0) this.#sink(last);
  }

  #sink(cursor: Cursor): void {
    const cursors = this.#cursors;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= cursors.length) break;
      const right = below + 1;
      if (right < cursors.length && comesBefore(cursors[right] as Cursor, cursors[below] as Cursor)) below = right;
      if (!comesBefore(cursors[below] as Cursor, cursor)) break;
      cursors[at] = cursors[below] as Cursor;
      at = below;
    }
    cursors[at] = cursor;
  }
}

const comesBefore = (a: Cursor, b: Cursor): boolean => a.reader.compareName(b.reader.name) < 0;
