// MessagePack read field by field, for streams that are too long or too many to decode into objects. wire.ts has the rules.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { type Int64, int64, int64Of } from './int64.js';
import { anyArrayEnd, isText, valueEnd } from './wire.js';

/** Thrown when a value goes past the end of the bytes at hand: a caller that can get more catches it. */
export const ENDS_EARLY = Symbol('ends early');

/** Reads MessagePack values one by one. */
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

  /** A view of the bytes of a str, which are UTF-8. */
  str(): Buffer {
    const text = this.#take(this.#textLength());
    if (!isText(text, 0, text.length)) throw this.damaged('its text is not UTF-8');
    return text;
  }

  #textLength(): number {
    const tag = this.#u8();
    if ((tag & 0xe0) === 0xa0) return tag & 0x1f;
    if (tag === 0xd9) return this.#u8();
    if (tag === 0xda) return this.#u16();
    if (tag === 0xdb) return this.#u32();
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

  /** Skips one value that keeps the rules. @param depth arrays and maps around it */
  skip(depth: number): void {
    this.#moveTo(valueEnd(this.#bytes, this.position, this.#what, this.#bytes.length, depth));
  }

  /**
   * Skips one array, whatever is in it.
   *
   * @returns false when it is not an array, or not MessagePack: its end is then unknown
   */
  skipAnyArray(): boolean {
    const end = anyArrayEnd(this.#bytes, this.position);
    if (end === undefined) return false;
    this.#moveTo(end);
    return true;
  }

  #moveTo(end: number): void {
    if (end < 0) throw ENDS_EARLY;
    this.position = end;
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
