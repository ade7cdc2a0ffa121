// MessagePack as values: msgpackr encodes and decodes them; wire.ts has the rules. Reading field by field is left to reader.ts.
import { Buffer } from 'node:buffer';
// The part in JavaScript alone: the other would load native code, and with it half of Node.
import { Packr, Unpackr } from 'msgpackr/pack';
import { VarveError } from '../errors/errors.js';
import { damaged, valueEnd } from './wire.js';

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
      if (!Number.isSafeInteger(value)) throw unencodable(`the number ${value}`);
      if (value <= 0xffffffff && value >= -0x80000000) return value;
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
 * The one value that fills bytes[start, end). What breaks SPEC.md's rules is refused before msgpackr allocates anything.
 *
 * @throws VarveError `damaged`
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
