// The payload of an index object (SPEC.md section 10).
// repository/index/ merges index objects.
import type { Buffer } from 'node:buffer';
import { asArray, asBool, asBytes, asUint, decode, encode } from '../bytes/msgpack.js';
import { SLOT_ID_LENGTH } from '../bytes/pack-constants.js';
import { asBuffer } from '../bytes/views.js';
import type { Time } from '../time/time.js';
import { ID_BYTES, MAX_PACK } from './limits.js';
import { type PackRecord, packRecordFields, parsePackRecord } from './pack-record.js';
import { parseTime, timeFields } from './time.js';

/** A pack as an index object lists it. */
export interface IndexedPack {
  readonly name: Buffer;
  /** Bytes of the object in `data/`. */
  readonly size: number;
  readonly record: PackRecord;
  /** Id of the slot that assembled it. */
  readonly writer: Buffer;
  /** Whether a manage or full key assembled it, or has read and verified all of it. */
  readonly vouched: boolean;
}

/** The payload of an index object (SPEC.md section 10). */
export interface IndexObject {
  readonly time: Time;
  readonly replaces: readonly Buffer[];
  readonly condemned: readonly { readonly pack: Buffer; readonly time: Time }[];
  readonly packs: readonly IndexedPack[];
}

export function encodeIndexObject(index: IndexObject): Buffer {
  return encode([
    timeFields(index.time),
    index.replaces,
    index.condemned.map(({ pack, time }) => [pack, timeFields(time)]),
    index.packs.map(({ name, size, record, writer, vouched }) => [
      name,
      size,
      packRecordFields(record),
      writer,
      vouched,
    ]),
  ]);
}

export function decodeIndexObject(bytes: Uint8Array, what: string): IndexObject {
  const [time, replaces, condemned, packs] = asArray(decode(bytes, what), 4, what);
  const name = (value: unknown): Buffer => asBuffer(asBytes(value, ID_BYTES, what));
  return {
    time: parseTime(time, what),
    replaces: asArray(replaces, undefined, what).map(name),
    condemned: asArray(condemned, undefined, what).map((value) => {
      const [pack, since] = asArray(value, 2, what);
      return { pack: name(pack), time: parseTime(since, what) };
    }),
    packs: asArray(packs, undefined, what).map((value) => {
      const [pack, size, record, writer, vouched] = asArray(value, 5, what);
      return {
        name: name(pack),
        size: asUint(size, MAX_PACK, what),
        record: parsePackRecord(record, what),
        writer: asBuffer(asBytes(writer, SLOT_ID_LENGTH, what)),
        vouched: asBool(vouched, what),
      };
    }),
  };
}
