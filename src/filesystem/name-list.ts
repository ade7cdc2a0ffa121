// The names of a directory, packed in memory.
// directory.ts reads them.
import { Buffer } from 'node:buffer';

/** struct linux_dirent64: the record's length, and where its name begins. */
const RECORD_LENGTH = 16;
const NAME = 19;
const DOT = 0x2e;

/** Names of a directory, laid end to end: a million of them take little more than their bytes. */
export class NameList {
  /** Each name with a NUL after it. */
  readonly #bytes: Buffer;
  /** Where each begins, in byte order of the names. */
  readonly #starts: Uint32Array;

  private constructor(bytes: Buffer, starts: Uint32Array) {
    this.#bytes = bytes;
    this.#starts = starts;
  }

  static of(names: Iterable<Uint8Array>): NameList {
    const collector = new NameCollector();
    for (const name of names) collector.add(name, 0, name.length);
    return collector.sorted();
  }

  /** @internal for NameCollector */
  static sort(bytes: Buffer, starts: readonly number[]): NameList {
    const order = new Uint32Array(starts);
    if (order.length > 1) order.sort((a, b) => compareTerminated(bytes, a, b));
    return new NameList(bytes, withoutRepetitions(bytes, order));
  }

  get length(): number {
    return this.#starts.length;
  }

  /** A name, as a view of the list's memory. */
  at(number: number): Buffer {
    const bytes = this.#bytes;
    const start = this.#starts[number] as number;
    let end = start;
    while (bytes[end] !== 0) end++;
    return bytes.subarray(start, end);
  }

  *[Symbol.iterator](): Generator<Buffer> {
    for (let number = 0; number < this.length; number++) yield this.at(number);
  }
}

/** Puts a list of names together. */
export class NameCollector {
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;
  readonly #starts: number[] = [];

  /** Adds the names of `struct linux_dirent64` records, but for `.` and `..`. */
  addRecords(records: Buffer, length: number): void {
    for (let at = 0; at < length; at += records.readUInt16LE(at + RECORD_LENGTH)) {
      const start = at + NAME;
      let end = start;
      while (records[end] !== 0) end++;
      if (!isDots(records, start, end - start)) this.add(records, start, end);
    }
  }

  add(from: Uint8Array, start: number, end: number): void {
    const needed = this.#length + end - start + 1;
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#starts.push(this.#length);
    const bytes = this.#bytes;
    let to = this.#length;
    for (let at = start; at < end; at++) bytes[to++] = from[at] as number;
    bytes[to++] = 0;
    this.#length = to;
  }

  sorted(): NameList {
    return NameList.sort(this.#bytes.subarray(0, this.#length), this.#starts);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/** The kernel may list a name twice when it is removed and created again during the listing; this keeps it once. */
function withoutRepetitions(bytes: Buffer, order: Uint32Array): Uint32Array {
  let kept = 0;
  for (const start of order) {
    if (kept === 0 || compareTerminated(bytes, order[kept - 1] as number, start) !== 0) order[kept++] = start;
  }
  return order.subarray(0, kept);
}

/** Byte order of two names that end with NUL; no name contains NUL. */
function compareTerminated(bytes: Buffer, a: number, b: number): number {
  for (let at = 0; ; at++) {
    const x = bytes[a + at] as number;
    const difference = x - (bytes[b + at] as number);
    if (difference !== 0) return difference;
    if (x === 0) return 0;
  }
}

function isDots(bytes: Buffer, start: number, length: number): boolean {
  if (bytes[start] !== DOT || length > 2) return false;
  return length === 1 || bytes[start + 1] === DOT;
}
