// What MessagePack may look like in varve (SPEC.md section 1), in one place: where a value ends, and whether it keeps the
// rules. Making values of it is left to msgpack.ts, reading field by field to reader.ts.
import { Buffer, isUtf8 } from 'node:buffer';
import { VarveError } from '../errors/errors.js';

/** The limit of SPEC.md section 1 on arrays and maps inside one another. */
const MAX_DEPTH = 16;
/** The limit of SPEC.md section 1: without it 128 MiB that are small when compressed would become gigabytes of objects. */
const MAX_VALUES = 2_000_000;
/** First bytes that state their length in the bytes that follow. */
const [BIN_LAST, STR_LAST, ARRAY_LAST] = [0xc6, 0xdb, 0xdd] as const;

/** Bytes of the length that follow the first bytes 0xc0–0xdf. */
const LENGTH_BYTES = Uint8Array.of(
  ...[0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4],
);
/** Bytes of the value after that, where it has a fixed length; of an extension's type. */
const FIXED_BYTES = Uint8Array.of(
  ...[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 4, 8, 1, 2, 4, 8],
  ...[1, 2, 4, 8, 2, 3, 5, 9, 17, 0, 0, 0, 0, 0, 0, 0],
);
const NEVER_USED = 0xc1;
/** 1 for those that varve does not use: the one that MessagePack does not define, extensions, floats. */
const REFUSED = Uint8Array.of(
  ...[0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0],
  ...[0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
);

/** Values that the object may still have. */
let valuesLeft = 0;

/**
 * Where the value that begins at `start` ends; -1 when it goes on beyond `end`.
 *
 * @param what names the object in errors
 * @param depth arrays and maps around the value
 * @throws VarveError `damaged` for a float, an extension, a map key that is no text or comes twice, text that is not UTF-8, and
 *   too many or too deeply nested values
 */
export function valueEnd(bytes: Uint8Array, start: number, what: string, end = bytes.length, depth = 0): number {
  valuesLeft = MAX_VALUES;
  return walk(bytes, start, end, what, depth);
}

function walk(b: Uint8Array, at: number, end: number, what: string, depth: number): number {
  if (at >= end) return -1;
  if (--valuesLeft < 0) throw damaged(what, 'it has too many values');
  const first = b[at] as number;
  if (first < 0x80 || first >= 0xe0) return at + 1;
  if (first < 0x90) return walkMap(b, at + 1, end, first & 15, what, depth);
  if (first < 0xa0) return walkArray(b, at + 1, end, first & 15, what, depth);
  if (first < 0xc0) return textEnd(b, at + 1, end, first & 31, what);
  const row = first - 0xc0;
  if (REFUSED[row] === 1) throw damaged(what, `MessagePack type 0x${first.toString(16)} is not allowed`);
  const width = LENGTH_BYTES[row] as number;
  const body = at + 1 + width;
  if (width === 0) return within(body + (FIXED_BYTES[row] as number), end);
  if (body > end) return -1;
  const length = bigEndian(b, at + 1, width);
  if (first <= BIN_LAST) return within(body + length, end);
  if (first <= STR_LAST) return textEnd(b, body, end, length, what);
  return first <= ARRAY_LAST
    ? walkArray(b, body, end, length, what, depth)
    : walkMap(b, body, end, length, what, depth);
}

const within = (at: number, end: number): number => (at > end ? -1 : at);

function bigEndian(b: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (b[at + i] as number);
  return value;
}

function walkArray(b: Uint8Array, at: number, end: number, count: number, what: string, depth: number): number {
  if (depth >= MAX_DEPTH) throw damaged(what, 'it nests too deeply');
  let next = at;
  for (let i = 0; i < count && next >= 0; i++) next = walk(b, next, end, what, depth + 1);
  return next;
}

function walkMap(b: Uint8Array, at: number, end: number, count: number, what: string, depth: number): number {
  if (depth >= MAX_DEPTH) throw damaged(what, 'it nests too deeply');
  const seen = new Set<string>();
  let next = at;
  for (let i = 0; i < count && next >= 0; i++) {
    if (next >= end) return -1;
    const width = keyWidth(b[next] as number);
    if (width < 0) throw damaged(what, 'a map key is no text');
    const keyEnd = walk(b, next, end, what, depth + 1);
    if (keyEnd < 0) return -1;
    const start = b.byteOffset + next + 1 + width;
    const key = Buffer.from(b.buffer, start, b.byteOffset + keyEnd - start).toString();
    if (seen.size === seen.add(key).size) throw damaged(what, 'a map key comes twice');
    next = walk(b, keyEnd, end, what, depth + 1);
  }
  return next;
}

/** Bytes of a text's length after its first byte; -1 when it is no text. */
function keyWidth(first: number): number {
  if (first >= 0xa0 && first < 0xc0) return 0;
  return first >= 0xd9 && first <= STR_LAST ? (LENGTH_BYTES[first - 0xc0] as number) : -1;
}

function textEnd(b: Uint8Array, at: number, end: number, length: number, what: string): number {
  const stop = at + length;
  if (stop > end) return -1;
  if (!isText(b, at, stop)) throw damaged(what, 'its text is not UTF-8');
  return stop;
}

/** Whether bytes[start, end) are UTF-8. Most text is ASCII, which is found out without a call. */
export function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if ((bytes[i] as number) >= 0x80) return isUtf8(bytes.subarray(i, end));
  return true;
}

/**
 * Where the array that begins at `start` ends, whatever is in it: also what SPEC.md refuses, at any depth. So what follows a
 * damaged array can still be read.
 *
 * @returns -1 when it goes on beyond the bytes; undefined when it is no array, or not MessagePack
 */
export function anyArrayEnd(b: Uint8Array, start: number): number | undefined {
  if (start >= b.length) return -1;
  const first = b[start] as number;
  if ((first & 0xf0) !== 0x90 && first !== 0xdc && first !== 0xdd) return undefined;
  let at = start;
  for (let left = 1; left > 0; left--) {
    if (at >= b.length) return -1;
    const token = b[at] as number;
    if (token === NEVER_USED) return undefined;
    at++;
    if (token < 0x80 || token >= 0xe0) continue;
    if (token < 0xa0) left += (token & 15) * (token < 0x90 ? 2 : 1);
    else if (token < 0xc0) at += token & 31;
    else {
      const width = LENGTH_BYTES[token - 0xc0] as number;
      if (at + width > b.length) return -1;
      const length = bigEndian(b, at, width);
      at += width + (FIXED_BYTES[token - 0xc0] as number);
      if (token <= STR_LAST) at += length;
      else left += length * (token <= ARRAY_LAST ? 1 : 2);
    }
  }
  return within(at, b.length);
}

export function damaged(what: string, reason: string): VarveError {
  return new VarveError('damaged', `${what}: ${reason}`);
}
