import { Buffer } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import { lastAtMost, lastOf } from '../../bytes/ascending.js';
import { compareBytes } from '../../bytes/views.js';
import { VarveError } from '../../errors/errors.js';
import type { ContentRef } from '../../format/content.js';
import { type BadEntry, EntryReader } from '../../format/entry-reader.js';
import { MAX_ENTRY } from '../../format/limits.js';
import { checkSize } from '../../repository/reading/content-stream.js';
import type { Source } from './source.js';

/** Bytes of a directory's stream from one place that is remembered to the next: what has to be read to find a name. */
const APART = 8 * 1024;
/** Blobs after which others get their turn. */
const AT_A_TURN = 16;
/** Bytes of directories that are remembered. */
const KEPT = 8 * 1024 * 1024;
/** As many directories. */
const MOST = 500;
/** Bytes of a part of an entry from which on as many more are gathered before it is looked at again. */
const LONG = 64 * 1024;

/** @returns whether to go on */
type Visit = (entry: EntryReader, start: number, end: number) => boolean;
type OnBad = (bad: BadEntry) => void;
const PASS_OVER: OnBad = () => undefined;

/** A directory of a snapshot: its entries lie one after another in a stream, which is never held whole. */
export class Directory {
  /** For errors. */
  readonly path: string;
  readonly #source: Source;
  readonly #ids: Buffer;
  readonly #starts: Float64Array;
  /** Places in the stream where an entry begins, with its name, in order. */
  readonly #places: number[] = [0];
  readonly #names: Buffer[] = [Buffer.alloc(0)];

  private constructor(source: Source, path: string, ids: Buffer, starts: Float64Array) {
    this.#source = source;
    this.path = path;
    this.#ids = ids;
    this.#starts = starts;
  }

  static async open(source: Source, content: ContentRef, path: string): Promise<Directory> {
    const { ids, starts } = await source.blobsOf(content);
    checkSize(starts[starts.length - 1] as number, content.size);
    return new Directory(source, path, Buffer.from(ids), starts);
  }

  /** Bytes that it takes, about. */
  get weight(): number {
    return 500 + this.#ids.length + this.#starts.length * 8 + this.#places.length * 200;
  }

  get size(): number {
    return this.#starts[this.#starts.length - 1] as number;
  }

  /**
   * Goes over the entries from a place on where one begins.
   *
   * @param onBad gets entries that cannot be read
   * @throws VarveError `damaged`, and what reading throws
   */
  async scan(from: number, visit: Visit, onBad: OnBad = PASS_OVER): Promise<void> {
    let waiting: Buffer[] = [];
    let length = 0;
    let wanted = 0;
    let previous: Buffer | undefined;
    let base = from;
    let turn = 0;
    for (let number = this.#blobAt(from); number < this.#starts.length - 1; number++) {
      const kept = this.#source.keptBlob(this.#ids, number * 32);
      const blob = kept ?? (await this.#source.blob(this.#ids, number * 32));
      if (++turn % AT_A_TURN === 0) await setImmediate();
      const start = this.#starts[number] as number;
      const part = start < from ? blob.subarray(from - start) : blob;
      waiting.push(part);
      length += part.length;
      if (length < wanted) continue;
      const bytes = waiting.length > 1 ? Buffer.concat(waiting, length) : part;
      const reader = new EntryReader(bytes, this.path, { previous, onBad });
      if (!this.#visitAll(reader, base, visit)) return;
      base += reader.position;
      if (reader.position > 0) previous = Buffer.from(reader.lastName ?? []);
      const { rest } = reader;
      if (rest.length > MAX_ENTRY) throw new VarveError('damaged', `${this.path}: an entry is too long`);
      waiting = rest.length === 0 ? [] : [rest];
      length = rest.length;
      wanted = length < LONG ? 0 : length * 2;
    }
    if (length === 0) return;
    const reader = new EntryReader(Buffer.concat(waiting, length), this.path, { previous, onBad });
    if (this.#visitAll(reader, base, visit) && reader.rest.length > 0)
      throw new VarveError('damaged', `${this.path}: the last entry is cut off`);
  }

  /**
   * Where the entry with this name begins; undefined when there is none. The visitor sees it, and no other.
   *
   * @throws VarveError `damaged` also when it is there and cannot be read
   */
  async find(name: Buffer, visit: (entry: EntryReader, start: number) => void): Promise<boolean> {
    let found = false;
    let unreadable: VarveError | undefined;
    const look: Visit = (entry, start) => {
      const order = entry.compareName(name);
      if (order === 0) {
        found = true;
        visit(entry, start);
      }
      return order < 0;
    };
    await this.scan(this.#placeBefore(name), look, (bad) => {
      if (bad.name?.equals(name) === true) unreadable = bad.error;
    });
    if (!found && unreadable !== undefined) throw unreadable;
    return found;
  }

  /** The entry that begins at a place. */
  async at(place: number, visit: (entry: EntryReader) => void): Promise<void> {
    let seen = false;
    await this.scan(place, (entry) => {
      seen = true;
      visit(entry);
      return false;
    });
    if (!seen) throw new VarveError('damaged', `${this.path}: an entry is missing`);
  }

  /** Whether an entry begins there, or the stream ends. */
  async isPlace(place: number): Promise<boolean> {
    if (place === this.size || place === 0) return true;
    if (place > this.size) return false;
    let found = false;
    await this.scan(this.#placeAtMost(place), (_, start, end) => {
      found = start === place || end === place;
      return !found && start < place;
    });
    return found;
  }

  #visitAll(reader: EntryReader, base: number, visit: Visit): boolean {
    while (reader.next()) {
      const start = base + reader.start;
      this.#note(start, reader);
      if (!visit(reader, start, base + reader.position)) return false;
    }
    return true;
  }

  #note(start: number, reader: EntryReader): void {
    if (start < (this.#places[this.#places.length - 1] as number) + APART) return;
    this.#places.push(start);
    this.#names.push(Buffer.from(reader.name));
  }

  #placeBefore(name: Buffer): number {
    const before = (number: number): boolean => compareBytes(this.#names[number] as Buffer, name) <= 0;
    return this.#places[lastOf(this.#names.length, before)] as number;
  }

  #placeAtMost(place: number): number {
    return this.#places[lastAtMost(this.#places, place)] as number;
  }

  #blobAt(place: number): number {
    return lastAtMost(this.#starts, place);
  }
}

/** Directories that were looked into last. */
export class Directories {
  readonly #directories = new Map<number, { readonly directory: Directory; readonly weight: number }>();
  #weight = 0;

  get(node: number): Directory | undefined {
    const known = this.#directories.get(node);
    if (known === undefined) return undefined;
    this.#directories.delete(node);
    this.#directories.set(node, known);
    return known.directory;
  }

  set(node: number, directory: Directory): void {
    this.delete(node);
    const { weight } = directory;
    this.#directories.set(node, { directory, weight });
    this.#weight += weight;
    for (const oldest of this.#directories.keys()) {
      if ((this.#weight <= KEPT && this.#directories.size <= MOST) || oldest === node) break;
      this.delete(oldest);
    }
  }

  delete(node: number): void {
    this.#weight -= this.#directories.get(node)?.weight ?? 0;
    this.#directories.delete(node);
  }
}
