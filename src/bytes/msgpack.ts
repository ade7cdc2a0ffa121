import { Buffer, isUtf8 } from 'node:buffer';
// The part in JavaScript alone: the other would load native code, and with it half of Node.
import { Packr, Unpackr } from 'msgpackr/pack';
import { VarveError } from '../errors/errors.js';

/** SPEC.md section 1's plain MessagePack. Integers beyond 2^53 are bigint. Decoded bytes are views of the input. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | { [key: string]: Value };

/** Nothing in the format nests deeper than 6; the limit keeps hostile input off the stack. */
const MAX_DEPTH = 16;
/**
 * Values in one object: those of an index of 200,000 packs. Without a limit what is small when compressed and 128 MiB when not would take
 * gigabytes as objects.
 */
const MAX_VALUES = 2_000_000;
const MAX_U64 = 2n ** 64n - 1n;
const MIN_I64 = -(2n ** 63n);
const LONE_SURROGATE = /\p{Surrogate}/u;

const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true, moreTypes: false });
/** Its types lack 'auto': a number up to 2^53, else a bigint. */
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'auto' as 'number' });

/** Integers and lengths take the shortest form; a value that plain MessagePack lacks (undefined, a Map) is a bug. */
export function encode(value: unknown): Buffer {
  return packr.pack(normal(value));
}

/** The value as msgpackr encodes it to the letter of SPEC.md: it would write integers above 2^32 as floats. */
function normal(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      if (!Number.isInteger(value) || (value <= 0xffffffff && value >= -0x80000000)) return value;
      if (!Number.isSafeInteger(value)) throw unencodable('an integer beyond 2^53');
      return BigInt(value);
    case 'bigint':
      if (value > MAX_U64 || value < MIN_I64) throw unencodable('an integer beyond 64 bits');
      return value <= 0xffffffffn && value >= -0x80000000n ? Number(value) : value;
    case 'string':
      return LONE_SURROGATE.test(value) ? Buffer.from(value).toString() : value;
    case 'boolean':
      return value;
    case 'object':
      return value === null || value instanceof Uint8Array ? value : normalObject(value);
    default:
      throw unencodable(typeof value);
  }
}

function normalObject(value: object): unknown {
  if (Array.isArray(value)) {
    let out: unknown[] = value;
    for (let i = 0; i < value.length; i++) {
      const item = normal(value[i]);
      if (item === value[i]) continue;
      if (out === value) out = value.slice();
      out[i] = item;
    }
    return out;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw unencodable(prototype.constructor.name);
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) out[key] = normal(item);
  return out;
}

function unencodable(kind: string): VarveError {
  return new VarveError('internal', `cannot encode ${kind} as MessagePack`);
}

/**
 * The one value that fills bytes[start, end). Extension types, trailing bytes, duplicate or odd map keys, deep nesting,
 * invalid UTF-8 and lengths beyond the input are refused before msgpackr allocates anything.
 */
export function decode(bytes: Uint8Array, what: string, start = 0, end = bytes.length): unknown {
  const stop = valueEnd(bytes, start, what, end);
  if (stop !== end) throw damaged(what, stop < 0 ? 'it ends too early' : 'bytes follow its end');
  try {
    return unpackr.unpack(bytes, { start, end });
  } catch (cause) {
    throw new VarveError('damaged', `${what}: not readable as MessagePack`, { cause });
  }
}

/** Where the value that begins at `start` ends; −1 when it goes on beyond `end`. Throws when it is no plain value. */
export function valueEnd(bytes: Uint8Array, start: number, what: string, end = bytes.length): number {
  valuesLeft = MAX_VALUES;
  return skip(bytes, start, end, what, 0);
}

/** Of the object that is looked at. */
let valuesLeft = 0;

function skip(b: Uint8Array, at: number, end: number, what: string, depth: number): number {
  if (at >= end) return -1;
  if (--valuesLeft < 0) throw damaged(what, 'it has too many values');
  const token = b[at] as number;
  if (token < 0x80 || token >= 0xe0) return at + 1;
  if (token < 0x90) return skipMap(b, at + 1, end, token & 15, what, depth);
  if (token < 0xa0) return skipArray(b, at + 1, end, token & 15, what, depth);
  if (token < 0xc0) return skipText(b, at + 1, end, token & 31, what);
  const width = WIDTHS[token - 0xc0] as number;
  if (width < 0) throw damaged(what, `MessagePack type 0x${token.toString(16)} is not allowed`);
  if (at + 1 + width > end) return -1;
  if (token < 0xc4 || (token >= 0xca && token <= 0xd3)) return at + 1 + width;
  const length = bigEndian(b, at + 1, width);
  const body = at + 1 + width;
  if (token <= 0xc6) return body + length > end ? -1 : body + length;
  if (token <= 0xdb) return skipText(b, body, end, length, what);
  return token <= 0xdd ? skipArray(b, body, end, length, what, depth) : skipMap(b, body, end, length, what, depth);
}

/** Bytes of value or length after the tokens 0xc0–0xdf; −1 = never used, or an extension type. */
const WIDTHS = Int8Array.of(
  ...[0, -1, 0, 0, 1, 2, 4, -1, -1, -1, 4, 8, 1, 2, 4, 8],
  ...[1, 2, 4, 8, -1, -1, -1, -1, -1, 1, 2, 4, 2, 4, 2, 4],
);

function bigEndian(b: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (b[at + i] as number);
  return value;
}

function skipArray(b: Uint8Array, at: number, end: number, count: number, what: string, depth: number): number {
  if (depth >= MAX_DEPTH) throw damaged(what, 'it nests too deeply');
  let next = at;
  for (let i = 0; i < count && next >= 0; i++) next = skip(b, next, end, what, depth + 1);
  return next;
}

function skipMap(b: Uint8Array, at: number, end: number, count: number, what: string, depth: number): number {
  if (depth >= MAX_DEPTH) throw damaged(what, 'it nests too deeply');
  const seen = new Set<string>();
  let next = at;
  for (let i = 0; i < count && next >= 0; i++) {
    if (next >= end) return -1;
    const token = b[next] as number;
    if (!((token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb)))
      throw damaged(what, 'a map key is no text');
    const keyStart = next + (token < 0xc0 ? 1 : 2 ** (token - 0xd9) + 1);
    const keyEnd = skip(b, next, end, what, depth + 1);
    if (keyEnd < 0) return -1;
    const key = Buffer.from(b.buffer, b.byteOffset + keyStart, keyEnd - keyStart).toString();
    if (key === '__proto__' || seen.size === seen.add(key).size) throw damaged(what, 'a map key is not allowed here');
    next = skip(b, keyEnd, end, what, depth + 1);
  }
  return next;
}

function skipText(b: Uint8Array, at: number, end: number, length: number, what: string): number {
  const stop = at + length;
  if (stop > end) return -1;
  for (let i = at; i < stop; i++) {
    if ((b[i] as number) < 0x80) continue;
    if (!isUtf8(b.subarray(i, stop))) throw damaged(what, 'its text is not UTF-8');
    break;
  }
  return stop;
}

function damaged(what: string, reason: string): VarveError {
  return new VarveError('damaged', `${what}: ${reason}`);
}

/** Bytes, of exactly this length when one is given. */
export function asBytes(value: unknown, length: number | undefined, what: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw damaged(what, 'bytes expected');
  if (length !== undefined && value.length !== length)
    throw damaged(what, `${length} bytes expected, ${value.length} found`);
  return value;
}

/** Bytes of a length up to max. */
export function asBytesUpTo(value: unknown, max: number, what: string): Uint8Array {
  const bytes = asBytes(value, undefined, what);
  if (bytes.length > max) throw damaged(what, `at most ${max} bytes expected, ${bytes.length} found`);
  return bytes;
}

export function asUint(value: unknown, max: number, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max)
    throw damaged(what, `an integer from 0 to ${max} expected`);
  return value;
}

/** A signed integer within ±2^53, such as the seconds of a time. */
export function asInt(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw damaged(what, 'an integer expected');
  return value;
}

/** A u64 (an inode or device number); bigint whatever its size. */
export function asUint64(value: unknown, what: string): bigint {
  if (typeof value === 'bigint' && value >= 0n) return value;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2 ** 53) return BigInt(value);
  throw damaged(what, 'an unsigned integer expected');
}

/** An array, of exactly `length` elements when one is given. */
export function asArray(value: unknown, length: number | undefined, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw damaged(what, 'an array expected');
  if (length !== undefined && value.length !== length)
    throw damaged(what, `${length} fields expected, ${value.length} found`);
  return value;
}

/** UTF-16 code units of a text, where nothing else is said. */
export const MAX_TEXT = 65_536;

export function asText(value: unknown, what: string, max = MAX_TEXT): string {
  if (typeof value !== 'string') throw damaged(what, 'text expected');
  if (value.length > max) throw damaged(what, 'the text is too long');
  return value;
}

export function asBool(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw damaged(what, 'true or false expected');
  return value;
}

export function asMap(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw damaged(what, 'a map expected');
  return value as Record<string, unknown>;
}
