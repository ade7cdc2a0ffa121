import { Buffer } from 'node:buffer';
import type { Int64 } from './int64.js';

const INITIAL_BYTES = 64 * 1024;
const TWO_32 = 0x1_0000_0000;

/** Appends MessagePack values, each in its shortest form, to a buffer that grows. */
export class MessagePackWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What has been written. Valid until the next write. */
  view(start = 0): Buffer {
    return this.#bytes.subarray(start, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  /** Bytes that are MessagePack already. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  nil(): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = 0xc0;
  }

  array(count: number): void {
    this.#header(count, 0x90, 16, 0xdc);
  }

  map(count: number): void {
    this.#header(count, 0x80, 16, 0xde);
  }

  bin(bytes: Uint8Array): void {
    this.#reserve(5 + bytes.length);
    const { length } = bytes;
    if (length < 0x100) this.#tagged8(0xc4, length);
    else if (length < 0x10000) this.#tagged16(0xc5, length);
    else this.#tagged32(0xc6, length);
    this.#bytes.set(bytes, this.#length);
    this.#length += length;
  }

  str(text: string): void {
    const length = Buffer.byteLength(text);
    this.#reserve(5 + length);
    if (length < 32) this.#bytes[this.#length++] = 0xa0 | length;
    else if (length < 0x100) this.#tagged8(0xd9, length);
    else if (length < 0x10000) this.#tagged16(0xda, length);
    else this.#tagged32(0xdb, length);
    this.#length += this.#bytes.write(text, this.#length);
  }

  int(value: Int64): void {
    this.#reserve(9);
    if (typeof value === 'bigint') this.#int64(value);
    else if (value >= 0) this.#uint(value);
    else this.#negative(value);
  }

  #uint(value: number): void {
    if (value < 0x80) this.#bytes[this.#length++] = value;
    else if (value < 0x100) this.#tagged8(0xcc, value);
    else if (value < 0x10000) this.#tagged16(0xcd, value);
    else if (value < TWO_32) this.#tagged32(0xce, value);
    else {
      this.#bytes[this.#length++] = 0xcf;
      this.#length = this.#bytes.writeUInt32BE(Math.floor(value / TWO_32), this.#length);
      this.#length = this.#bytes.writeUInt32BE(value % TWO_32, this.#length);
    }
  }

  #negative(value: number): void {
    if (value >= -32) this.#bytes[this.#length++] = value & 0xff;
    else if (value >= -0x80) this.#tagged8(0xd0, value & 0xff);
    else if (value >= -0x8000) this.#tagged16(0xd1, value & 0xffff);
    else if (value >= -0x80000000) this.#tagged32(0xd2, value >>> 0);
    else this.#int64(BigInt(value));
  }

  #int64(value: bigint): void {
    this.#bytes[this.#length++] = value >= 0n ? 0xcf : 0xd3;
    this.#length = this.#bytes.writeBigUInt64BE(BigInt.asUintN(64, value), this.#length);
  }

  #header(count: number, short: number, shortLimit: number, long: number): void {
    this.#reserve(5);
    if (count < shortLimit) this.#bytes[this.#length++] = short | count;
    else if (count < 0x10000) this.#tagged16(long, count);
    else this.#tagged32(long + 1, count);
  }

  #tagged8(tag: number, value: number): void {
    this.#bytes[this.#length++] = tag;
    this.#bytes[this.#length++] = value;
  }

  #tagged16(tag: number, value: number): void {
    this.#bytes[this.#length++] = tag;
    this.#length = this.#bytes.writeUInt16BE(value, this.#length);
  }

  #tagged32(tag: number, value: number): void {
    this.#bytes[this.#length++] = tag;
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
