// Reads directories of snapshots: lists entries from an offset on, finds names.
// The blobs come from live-repository.ts; what the kernel gets is made in filesystem.ts.

import { Buffer } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import { lastAtMost, lastOf } from '../../bytes/ascending.js';
import { compareBytes } from '../../bytes/views.js';
import { VarveError } from '../../errors/errors.js';
import type { ContentRef } from '../../format/content.js';
import { type BadEntry, EntryReader } from '../../format/entry-reader.js';
import { MAX_ENTRY } from '../../format/limits.js';
import { checkSize } from '../../repository/reading/content-stream.js';
import type { LiveRepository } from './live-repository.js';

/** Bytes between two checkpoints in a directory's stream. Finding a name reads at most that much. */
const CHECKPOINT_SPACING = 8 * 1024;
/** Blobs to read before other requests get a turn. */
const TURN = 16;
/** From this length on, an incomplete entry is parsed again only after its buffered bytes have doubled. */
const LONG_ENTRY = 64 * 1024;

/** @returns whether to continue */
type Visit = (entry: EntryReader, start: number, end: number) => boolean;
type OnBad = (bad: BadEntry) => void;
const IGNORE: OnBad = () => undefined;

/** A directory of a snapshot. It is a stream of entries that is never in memory as a whole. */
export class Directory {
  /** Shown in errors. */
  readonly path: string;
  readonly #repository: LiveRepository;
  readonly #ids: Buffer;
  readonly #starts: Float64Array;
  /** Checkpoints: offsets in the stream at which entries begin, with their names, in order. */
  readonly #checkpoints: number[] = [0];
  readonly #names: Buffer[] = [Buffer.alloc(0)];

  private constructor(repository: LiveRepository, path: string, ids: Buffer, starts: Float64Array) {
    this.#repository = repository;
    this.path = path;
    this.#ids = ids;
    this.#starts = starts;
  }

  static async open(repository: LiveRepository, content: ContentRef, path: string): Promise<Directory> {
    const { ids, starts } = await repository.blobsOf(content);
    checkSize(starts[starts.length - 1] as number, content.size);
    return new Directory(repository, path, Buffer.from(ids), starts);
  }

  /** Approximate bytes of memory. */
  get weight(): number {
    return 500 + this.#ids.length + this.#starts.length * 8 + this.#checkpoints.length * 200;
  }

  get size(): number {
    return this.#starts[this.#starts.length - 1] as number;
  }

  /**
   * Visits entries, beginning with the one at an offset.
   *
   * @param onBad called with entries that cannot be read
   * @throws VarveError `damaged`, or the error of reading a blob
   */
  async scan(from: number, visit: Visit, onBad: OnBad = IGNORE): Promise<void> {
    let waiting: Buffer[] = [];
    let length = 0;
    let wanted = 0;
    let previous: Buffer | undefined;
    let base = from;
    let turn = 0;
    for (let number = this.#blobAt(from); number < this.#starts.length - 1; number++) {
      const cached = this.#repository.cachedBlob(this.#ids, number * 32);
      const blob = cached ?? (await this.#repository.blob(this.#ids, number * 32));
      if (++turn % TURN === 0) await setImmediate();
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
      wanted = length < LONG_ENTRY ? 0 : length * 2;
    }
    if (length === 0) return;
    const reader = new EntryReader(Buffer.concat(waiting, length), this.path, { previous, onBad });
    if (this.#visitAll(reader, base, visit) && reader.rest.length > 0)
      throw new VarveError('damaged', `${this.path}: the last entry is cut off`);
  }

  /**
   * Visits the entry with a name. @returns whether there is one
   *
   * @throws VarveError `damaged` also when the entry exists and cannot be read
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
    await this.scan(this.#checkpointBefore(name), look, (bad) => {
      if (bad.name?.equals(name) === true) unreadable = bad.error;
    });
    if (!found && unreadable !== undefined) throw unreadable;
    return found;
  }

  /** Visits the entry that begins at an offset. */
  async at(offset: number, visit: (entry: EntryReader) => void): Promise<void> {
    let seen = false;
    await this.scan(offset, (entry) => {
      seen = true;
      visit(entry);
      return false;
    });
    if (!seen) throw new VarveError('damaged', `${this.path}: an entry is missing`);
  }

  /** Whether an entry begins at an offset, or the stream ends there. */
  async isEntryStart(offset: number): Promise<boolean> {
    if (offset === this.size || offset === 0) return true;
    if (offset > this.size) return false;
    let found = false;
    await this.scan(this.#checkpointAtMost(offset), (_, start, end) => {
      found = start === offset || end === offset;
      return !found && start < offset;
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
    if (start < (this.#checkpoints[this.#checkpoints.length - 1] as number) + CHECKPOINT_SPACING) return;
    this.#checkpoints.push(start);
    this.#names.push(Buffer.from(reader.name));
  }

  #checkpointBefore(name: Buffer): number {
    const before = (number: number): boolean => compareBytes(this.#names[number] as Buffer, name) <= 0;
    return this.#checkpoints[lastOf(this.#names.length, before)] as number;
  }

  #checkpointAtMost(offset: number): number {
    return this.#checkpoints[lastAtMost(this.#checkpoints, offset)] as number;
  }

  #blobAt(offset: number): number {
    return lastAtMost(this.#starts, offset);
  }
}
