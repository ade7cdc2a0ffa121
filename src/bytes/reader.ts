import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { type Int64, int64, int64Of } from './int64.js';

/** Thrown (and caught by whoever can fetch more) when a value goes past the end of the bytes at hand. */
export const ENDS_EARLY = Symbol('ends early');

const MAX_DEPTH = 16;

/** Bytes after the tags 0xc0–0xdf of values of a fixed length; −1 for others. */
const FIXED_BYTES = Int8Array.of(
  ...[0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8],
  ...[1, 2, 4, 8, 2, 3, 5, 9, 17, -1, -1, -1, -1, -1, -1, -1],
);

const isArray = (tag: number): boolean => (tag & 0xf0) === 0x90 || tag === 0xdc || tag === 0xdd;

/** Reads MessagePack values one by one, for streams that are too long or too many to decode into objects. */
export class MessagePackReader {
  #bytes: Buffer;
  position = 0;
  readonly #what: string;

  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.position;
  }

  damaged(why: string): VarveError {
    return new VarveError('damaged', `${this.#what}: ${why}`);
  }

  array(): number {
    const tag = this.#u8();
    if ((tag & 0xf0) === 0x90) return tag & 0x0f;
    if (tag === 0xdc) return this.#u16();
    if (tag === 0xdd) return this.#u32();
    throw this.damaged('an array was expected');
  }

  map(): number {
    const tag = this.#u8();
    if ((tag & 0xf0) === 0x80) return tag & 0x0f;
    if (tag === 0xde) return this.#u16();
    if (tag === 0xdf) return this.#u32();
    throw this.damaged('a map was expected');
  }

  /** Whether the next value is nil, which is then consumed. */
  nil(): boolean {
    if (this.remaining < 1) throw ENDS_EARLY;
    if (this.#bytes[this.position] !== 0xc0) return false;
    this.position++;
    return true;
  }

  nextIsBin(): boolean {
    if (this.remaining < 1) throw ENDS_EARLY;
    const tag = this.#bytes[this.position] as number;
    return tag >= 0xc4 && tag <= 0xc6;
  }

  /** A view of the bytes of a bin. */
  bin(): Buffer {
    const length = this.skipBin();
    return this.#bytes.subarray(this.position - length, this.position);
  }

  /** Goes past a bin. @returns the number of its bytes, which are the last ones before the position then */
  skipBin(): number {
    const tag = this.#u8();
    let length: number;
    if (tag === 0xc4) length = this.#u8();
    else if (tag === 0xc5) length = this.#u16();
    else if (tag === 0xc6) length = this.#u32();
    else throw this.damaged('bytes were expected');
    if (length > this.remaining) throw ENDS_EARLY;
    this.position += length;
    return length;
  }

  /** A view of the UTF-8 bytes of a str. */
  str(): Buffer {
    const tag = this.#u8();
    if ((tag & 0xe0) === 0xa0) return this.#take(tag & 0x1f);
    if (tag === 0xd9) return this.#take(this.#u8());
    if (tag === 0xda) return this.#take(this.#u16());
    if (tag === 0xdb) return this.#take(this.#u32());
    throw this.damaged('text was expected');
  }

  /** Consumes a str if it is this one (at most 31 bytes). */
  takes(text: Buffer): boolean {
    const { length } = text;
    if (this.remaining < 1) throw ENDS_EARLY;
    if (this.#bytes[this.position] !== (0xa0 | length)) return false;
    if (this.remaining < 1 + length) throw ENDS_EARLY;
    for (let i = 0; i < length; i++) if (this.#bytes[this.position + 1 + i] !== text[i]) return false;
    this.position += 1 + length;
    return true;
  }

  /** An int of any width. */
  int(): Int64 {
    const tag = this.#u8();
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xcc:
        return this.#u8();
      case 0xcd:
        return this.#u16();
      case 0xce:
        return this.#u32();
      case 0xcf:
        return this.#u64();
      case 0xd0:
        return (this.#u8() << 24) >> 24;
      case 0xd1:
        return (this.#u16() << 16) >> 16;
      case 0xd2:
        return this.#u32() | 0;
      case 0xd3:
        return this.#i64();
      default:
        throw this.damaged('an integer was expected');
    }
  }

  /** An int from 0 to max (at most 2^53 - 1). */
  uint(max = Number.MAX_SAFE_INTEGER): number {
    const value = this.int();
    if (typeof value === 'bigint' || value < 0 || value > max) throw this.damaged(`integer ${value} is out of range`);
    return value;
  }

  /** Skips one value of any plain type. */
  skip(depth = 0): void {
    if (depth > MAX_DEPTH) throw this.damaged('nested too deeply');
    if (this.remaining < 1) throw ENDS_EARLY;
    const tag = this.#bytes[this.position] as number;
    if (tag === 0xc0 || tag === 0xc2 || tag === 0xc3) this.position++;
    else if (tag === 0xcb) this.#take(9);
    else if (tag >= 0xc4 && tag <= 0xc6) this.skipBin();
    else if ((tag & 0xe0) === 0xa0 || (tag >= 0xd9 && tag <= 0xdb)) this.str();
    else if ((tag & 0xf0) === 0x90 || tag === 0xdc || tag === 0xdd) this.#skipMany(this.array(), depth);
    else if ((tag & 0xf0) === 0x80 || tag === 0xde || tag === 0xdf) this.#skipMany(this.map() * 2, depth);
    else this.int();
  }

  /**
   * Goes past one array, whatever is in it: types too that SPEC.md does not allow, and at any depth.
   *
   * @returns false when it is not an array, or not MessagePack: its end is then unknown
   */
  passArray(): boolean {
    if (this.remaining < 1) throw ENDS_EARLY;
    if (!isArray(this.#bytes[this.position] as number)) return false;
    for (let left = 1; left > 0; left--) {
      const inside = this.#passOne();
      if (inside < 0) return false;
      left += inside;
    }
    return true;
  }

  /** Goes past a value, or the beginning of an array or a map. @returns how many values are in it; −1 for no MessagePack */
  #passOne(): number {
    const tag = this.#u8();
    if (tag < 0x80 || tag >= 0xe0) return 0;
    if (tag < 0x90) return (tag & 0x0f) * 2;
    if (tag < 0xa0) return tag & 0x0f;
    if (tag < 0xc0) return this.#passBytes(tag & 0x1f);
    const fixed = FIXED_BYTES[tag - 0xc0] as number;
    if (fixed >= 0) return this.#passBytes(fixed);
    switch (tag) {
      case 0xdc:
        return this.#u16();
      case 0xdd:
        return this.#u32();
      case 0xde:
        return this.#u16() * 2;
      case 0xdf:
        return this.#u32() * 2;
      case 0xc1:
        return -1;
      default:
        return this.#passBytes(this.#lengthAfter(tag));
    }
  }

  #passBytes(count: number): 0 {
    if (count > this.remaining) throw ENDS_EARLY;
    this.position += count;
    return 0;
  }

  /** Of a bin, a str or an extension, whose type is one byte more. */
  #lengthAfter(tag: number): number {
    const isExtension = tag >= 0xc7 && tag <= 0xc9;
    const width = tag <= 0xc6 ? tag - 0xc4 : isExtension ? tag - 0xc7 : tag - 0xd9;
    const length = width === 0 ? this.#u8() : width === 1 ? this.#u16() : this.#u32();
    return isExtension ? length + 1 : length;
  }

  #skipMany(count: number, depth: number): void {
    for (let i = 0; i < count; i++) this.skip(depth + 1);
  }

  #u8(): number {
    const value = this.#bytes[this.position];
    if (value === undefined) throw ENDS_EARLY;
    this.position++;
    return value;
  }

  #u16(): number {
    return (this.#u8() << 8) | this.#u8();
  }

  #u32(): number {
    const { position } = this;
    if (this.remaining < 4) throw ENDS_EARLY;
    this.position += 4;
    return this.#bytes.readUInt32BE(position);
  }

  #u64(): Int64 {
    const high = this.#u32();
    return int64Of(high, this.#u32());
  }

  #i64(): Int64 {
    if (this.remaining < 8) throw ENDS_EARLY;
    const value = this.#bytes.readBigInt64BE(this.position);
    this.position += 8;
    return int64(value);
  }

  #take(count: number): Buffer {
    const end = this.position + count;
    if (end > this.#bytes.length) throw ENDS_EARLY;
    const view = this.#bytes.subarray(this.position, end);
    this.position = end;
    return view;
  }
}
