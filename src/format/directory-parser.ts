import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { EntryReader } from './entry.js';
import { MAX_ENTRY } from './limits.js';

/**
 * Reads a directory's stream blob by blob (SPEC.md section 11): entries may lie across blobs, and the whole is never held. The
 * EntryReader that is yielded stays valid until the next one.
 */
export class DirectoryParser {
  readonly #what: string;
  #rest: Buffer = Buffer.alloc(0);
  #previous: Buffer | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  *push(blob: Buffer): Generator<EntryReader> {
    const bytes = this.#rest.length === 0 ? blob : Buffer.concat([this.#rest, blob]);
    const reader = new EntryReader(bytes, this.#what, this.#previous);
    while (reader.next()) yield reader;
    this.#rest = reader.rest;
    if (this.#rest.length > MAX_ENTRY) throw new VarveError('damaged', `${this.#what}: an entry is too long`);
    if (reader.position > 0) this.#previous = reader.lastName;
  }

  /** Call after the last blob. @throws VarveError `damaged` when an entry is cut off */
  end(): void {
    if (this.#rest.length > 0) throw new VarveError('damaged', `${this.#what}: the last entry is cut off`);
  }
}

/** All entries of a directory whose blobs can be had at once. */
export function* entriesOf(blobs: Iterable<Buffer>, what: string): Generator<EntryReader> {
  const parser = new DirectoryParser(what);
  for (const blob of blobs) yield* parser.push(blob);
  parser.end();
}
