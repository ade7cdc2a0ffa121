import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { EntryReader } from './entry-reader.js';
import { MAX_ENTRY } from './limits.js';

/**
 * Bytes of a part of an entry from which on as many more are gathered before it is looked at again: otherwise a long entry in many small
 * blobs would be copied for each of them.
 */
const LONG = 64 * 1024;

/**
 * Reads a directory's stream blob by blob (SPEC.md section 11): entries may lie across blobs, and the whole is never held. The
 * EntryReader that is yielded stays valid until the next one.
 */
export class DirectoryParser {
  readonly #what: string;
  /** A part of an entry, and blobs that follow it. */
  #waiting: Buffer[] = [];
  #length = 0;
  /** Bytes that it is worth to look at again. */
  #wanted = 0;
  #previous: Buffer | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  *push(blob: Buffer): Generator<EntryReader> {
    this.#waiting.push(blob);
    this.#length += blob.length;
    if (this.#length >= this.#wanted) yield* this.#read();
  }

  /** Call after the last blob. @throws VarveError `damaged` when an entry is cut off */
  *end(): Generator<EntryReader> {
    yield* this.#read();
    if (this.#length > 0) throw new VarveError('damaged', `${this.#what}: the last entry is cut off`);
  }

  *#read(): Generator<EntryReader> {
    const [first = EMPTY] = this.#waiting;
    const bytes = this.#waiting.length > 1 ? Buffer.concat(this.#waiting, this.#length) : first;
    const reader = new EntryReader(bytes, this.#what, this.#previous);
    while (reader.next()) yield reader;
    const { rest } = reader;
    if (rest.length > MAX_ENTRY) throw new VarveError('damaged', `${this.#what}: an entry is too long`);
    if (reader.position > 0) this.#previous = reader.lastName;
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#length = rest.length;
    this.#wanted = rest.length < LONG ? 0 : rest.length * 2;
  }
}

const EMPTY = Buffer.alloc(0);

/** All entries of a directory whose blobs can be had at once. */
export function* entriesOf(blobs: Iterable<Buffer>, what: string): Generator<EntryReader> {
  const parser = new DirectoryParser(what);
  for (const blob of blobs) yield* parser.push(blob);
  yield* parser.end();
}
