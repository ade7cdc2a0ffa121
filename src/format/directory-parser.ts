// Cuts the stream of a directory into entries, also around damaged ones (SPEC.md section 11).
// entry-reader.ts decodes an entry.
import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { type BadEntry, EntryReader } from './entry-reader.js';
import { MAX_ENTRY } from './limits.js';

/**
 * Bytes of a part of an entry from which on as many more are gathered before it is looked at again: otherwise a long entry in many small
 * blobs would be copied for each of them.
 */
const LONG = 64 * 1024;

/**
 * Reads a directory's stream blob by blob (SPEC.md section 11): entries may lie across blobs, and the whole is never held. The
 * EntryReader that is yielded stays valid until the next one. An entry that cannot be read costs that entry alone.
 */
export class DirectoryParser {
  readonly #what: string;
  /** A part of an entry, and blobs that follow it. */
  #waiting: Buffer[] = [];
  #length = 0;
  /** Bytes that it is worth to look at again. */
  #wanted = 0;
  #previous: Buffer | undefined;
  readonly #onBad: ((bad: BadEntry) => void) | undefined;
  /** Entries so far, those that cannot be read included. */
  #count = 0;
  #firstBad: VarveError | undefined;
  #bad = 0;

  /**
   * @param what names the directory in errors
   * @param onBad gets each entry that cannot be read, in its place among the others; without it, `end` throws
   */
  constructor(what: string, onBad?: (bad: BadEntry) => void) {
    this.#what = what;
    this.#onBad = onBad;
  }

  *push(blob: Buffer): Generator<EntryReader> {
    this.#waiting.push(blob);
    this.#length += blob.length;
    if (this.#length >= this.#wanted) yield* this.#read();
  }

  /** Call after the last blob. @throws VarveError `damaged` when an entry is cut off, or was not readable */
  *end(): Generator<EntryReader> {
    yield* this.#read();
    if (this.#length > 0) throw new VarveError('damaged', `${this.#what}: the last entry is cut off`);
    if (this.#firstBad === undefined || this.#onBad !== undefined) return;
    const others = this.#bad === 1 ? '' : `; so are ${this.#bad - 1} others`;
    throw new VarveError('damaged', `${this.#firstBad.message}${others}`, { cause: this.#firstBad });
  }

  #next(reader: EntryReader): boolean {
    try {
      return reader.next();
    } catch (cause) {
      if (!(cause instanceof VarveError)) throw cause;
      throw new VarveError('damaged', `${cause.message} (after entry ${this.#count})`, { cause });
    }
  }

  #noteBad(bad: BadEntry): void {
    const { message } = bad.error;
    const which = `entry ${++this.#count}${quoted(bad.name)}`;
    const error = new VarveError('damaged', `${message} (${which})`, { cause: bad.error });
    this.#bad++;
    this.#firstBad ??= error;
    this.#onBad?.({ ...bad, error });
  }

  *#read(): Generator<EntryReader> {
    const [first = EMPTY] = this.#waiting;
    const bytes = this.#waiting.length > 1 ? Buffer.concat(this.#waiting, this.#length) : first;
    const onBad = (bad: BadEntry): void => this.#noteBad(bad);
    const reader = new EntryReader(bytes, this.#what, { previous: this.#previous, onBad });
    while (this.#next(reader)) {
      this.#count++;
      yield reader;
    }
    const { rest } = reader;
    if (rest.length > MAX_ENTRY) throw new VarveError('damaged', `${this.#what}: an entry is too long`);
    if (reader.position > 0) this.#previous = reader.lastName;
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#wanted = rest.length < LONG ? 0 : rest.length * 2;
  }
}

const EMPTY = Buffer.alloc(0);

const quoted = (name: Buffer | undefined): string => (name === undefined ? '' : `, ${JSON.stringify(name.toString())}`);

/** All entries of a directory whose blobs are all in memory. @param onBad as in DirectoryParser */
export function* entriesOf(
  blobs: Iterable<Buffer>,
  what: string,
  onBad?: (bad: BadEntry) => void,
): Generator<EntryReader> {
  const parser = new DirectoryParser(what, onBad);
  for (const blob of blobs) yield* parser.push(blob);
  yield* parser.end();
}
