import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';

/** Thrown (and caught by whoever can fetch more) when a value goes past the end of the bytes at hand. */
export const ENDS_EARLY = Symbol('ends early');

const TWO_32 = 0x1_0000_0000;
const MAX_DEPTH = 16;

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

  /** An int; a bigint only beyond 2^53. */
  int(): number | bigint {
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

  #u64(): number | bigint {
    const high = this.#u32();
    const low = this.#u32();
    return high < 0x20_0000 ? high * TWO_32 + low : (BigInt(high) << 32n) | BigInt(low);
  }

  #i64(): number | bigint {
    if (this.remaining < 8) throw ENDS_EARLY;
    const value = this.#bytes.readBigInt64BE(this.position);
    this.position += 8;
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  #take(count: number): Buffer {
    const end = this.position + count;
    if (end > this.#bytes.length) throw ENDS_EARLY;
    const view = this.#bytes.subarray(this.position, end);
    this.position = end;
    return view;
  }
}
