// What a pack holds: frames, ids, lengths (SPEC.md section 9).
// The pack writer fills it; index objects and pack directories store it.
import { Buffer } from 'node:buffer';
import { asArray, asBytes, asBytesUpTo, asUint } from '../bytes/msgpack.js';
import { type Codec, RAW, TAG_BYTES, WRAPPED_KEY_BYTES, ZSTD } from '../bytes/pack-constants.js';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { type BlobKind, DATA, TREE } from './content.js';
import { ID_BYTES, MAX_CHUNK, MAX_FRAME, MAX_PACK, MAX_SEALED_PLAINTEXT } from './limits.js';

export { type Codec, RAW, TAG_BYTES, WRAPPED_KEY_BYTES, ZSTD };

/** u32 words of a frame's row in a pack record. */
export const FRAME_WORDS = 6;
const FRAME_BYTES = FRAME_WORDS * 4;
const MAX_COUNTER = 0xffff;

/** A frame as a pack record describes it (SPEC.md section 9). */
export interface Frame {
  readonly offset: number;
  /** Bytes in the pack, with the tag. */
  readonly storedLength: number;
  readonly rawLength: number;
  /** Number of the wrapped key in the record. */
  readonly key: number;
  readonly codec: Codec;
  readonly counter: number;
  readonly blobs: number;
}

/** What a pack holds: in its directory and in index objects alike (SPEC.md section 9). Columns, for speed. */
export interface PackRecord {
  readonly kind: BlobKind;
  readonly keys: readonly Buffer[];
  /** Little-endian u32 rows of FRAME_WORDS. */
  readonly frames: Buffer;
  readonly ids: Buffer;
  /** Little-endian u32 each. */
  readonly lengths: Buffer;
}

export const frameCount = (record: PackRecord): number => record.frames.length / FRAME_BYTES;
export const blobCount = (record: PackRecord): number => record.ids.length / ID_BYTES;

export function frameAt(record: PackRecord, number: number): Frame {
  const at = number * FRAME_BYTES;
  const word = record.frames.readUInt32LE(at + 12);
  return {
    offset: record.frames.readUInt32LE(at),
    storedLength: record.frames.readUInt32LE(at + 4),
    rawLength: record.frames.readUInt32LE(at + 8),
    key: word & 0xffff,
    codec: (word >>> 16) as Codec,
    counter: record.frames.readUInt32LE(at + 16),
    blobs: record.frames.readUInt32LE(at + 20),
  };
}

/** A frame and the number of its first blob in the record. */
export interface RecordFrame extends Frame {
  readonly firstBlob: number;
}

export function* framesOf(record: PackRecord): Generator<RecordFrame> {
  let firstBlob = 0;
  for (let number = 0; number < frameCount(record); number++) {
    const frame = frameAt(record, number);
    yield { ...frame, firstBlob };
    firstBlob += frame.blobs;
  }
}

/** A frame with the key itself instead of its number in a record. */
export type UnlistedFrame = Omit<Frame, 'blobs' | 'key'> & { readonly wrappedKey: Buffer };

/** Collects frames and blobs into a record. */
export class PackRecordBuilder {
  readonly #kind: BlobKind;
  /** Numbers of the wrapped keys, by their bytes. */
  readonly #keys = new Map<string, number>();
  readonly #frames: number[] = [];
  readonly #ids: Buffer[] = [];
  readonly #lengths: number[] = [];

  constructor(kind: BlobKind) {
    this.#kind = kind;
  }

  get frames(): number {
    return this.#frames.length / FRAME_WORDS;
  }

  get blobs(): number {
    return this.#lengths.length;
  }

  /** @param ids 32 bytes for each of `lengths` */
  addFrame(frame: UnlistedFrame, ids: Buffer, lengths: readonly number[]): void {
    const { offset, storedLength, rawLength, wrappedKey, codec, counter } = frame;
    const key = this.#keyNumber(wrappedKey);
    this.#frames.push(offset, storedLength, rawLength, key | (codec << 16), counter, lengths.length);
    this.#ids.push(ids);
    for (const length of lengths) this.#lengths.push(length);
  }

  /** Adds a frame of another record, with its blobs. @param offset where it is now */
  addCopy(record: PackRecord, frame: RecordFrame, offset: number): void {
    const { firstBlob, blobs } = frame;
    const ids = asBuffer(record.ids.subarray(firstBlob * ID_BYTES, (firstBlob + blobs) * ID_BYTES));
    const lengths = Array.from({ length: blobs }, (_, at) => record.lengths.readUInt32LE((firstBlob + at) * 4));
    this.addFrame({ ...frame, offset, wrappedKey: record.keys[frame.key] as Buffer }, ids, lengths);
  }

  #keyNumber(wrapped: Buffer): number {
    const name = wrapped.toString('latin1');
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    this.#keys.set(name, this.#keys.size);
    return this.#keys.size - 1;
  }

  build(): PackRecord {
    return {
      kind: this.#kind,
      keys: [...this.#keys.keys()].map((key) => Buffer.from(key, 'latin1')),
      frames: wordsToBytes(this.#frames),
      ids: Buffer.concat(this.#ids),
      lengths: wordsToBytes(this.#lengths),
    };
  }

  /** An upper bound of the encoded record's length in bytes. */
  get encodedLength(): number {
    return (
      64 + this.#keys.size * (WRAPPED_KEY_BYTES + 2) + this.#frames.length * 4 + this.#lengths.length * (ID_BYTES + 4)
    );
  }
}

function wordsToBytes(words: readonly number[]): Buffer {
  const out = Buffer.allocUnsafeSlow(words.length * 4);
  let at = 0;
  for (const word of words) at = out.writeUInt32LE(word, at);
  return out;
}

/** Copies the record: structured clone of a view would copy its whole buffer. */
export function recordForThread({ kind, keys, frames, ids, lengths }: PackRecord): PackRecord {
  const own = (bytes: Buffer): Buffer => asBuffer(new Uint8Array(bytes));
  return { kind, keys: keys.map(own), frames: own(frames), ids: own(ids), lengths: own(lengths) };
}

/** A record that came from another thread: structured clone makes Uint8Arrays of Buffers. */
export function recordFromThread({ kind, keys, frames, ids, lengths }: PackRecord): PackRecord {
  return {
    kind,
    keys: keys.map(asBuffer),
    frames: asBuffer(frames),
    ids: asBuffer(ids),
    lengths: asBuffer(lengths),
  };
}

/** The record as the MessagePack array of SPEC.md section 9, ready to be encoded. */
export function packRecordFields(record: PackRecord): unknown[] {
  return [record.kind, record.keys, record.frames, record.ids, record.lengths];
}

/** @throws VarveError `damaged` when anything about the record does not hold together */
export function parsePackRecord(value: unknown, what: string): PackRecord {
  const [kind, keys, frames, ids, lengths] = asArray(value, 5, what);
  const record: PackRecord = {
    kind: parseKind(kind, what),
    keys: asArray(keys, undefined, what).map((key) => asBuffer(asBytes(key, WRAPPED_KEY_BYTES, what))),
    frames: asBuffer(asBytesUpTo(frames, MAX_SEALED_PLAINTEXT, what)),
    ids: asBuffer(asBytesUpTo(ids, MAX_SEALED_PLAINTEXT, what)),
    lengths: asBuffer(asBytesUpTo(lengths, MAX_SEALED_PLAINTEXT, what)),
  };
  validate(record, what);
  return record;
}

function parseKind(value: unknown, what: string): BlobKind {
  const kind = asUint(value, TREE, what);
  if (kind !== DATA && kind !== TREE) throw new VarveError('damaged', `${what}: a pack of kind ${kind} is unknown`);
  return kind;
}

function validate(record: PackRecord, what: string): void {
  const blobs = record.ids.length / ID_BYTES;
  const wrong = (why: string): VarveError => new VarveError('damaged', `${what}: ${why}`);
  if (record.frames.length % FRAME_BYTES !== 0 || record.lengths.length !== blobs * 4)
    throw wrong('columns do not match');
  let end = 0;
  let blob = 0;
  for (let number = 0; number < frameCount(record); number++) {
    const frame = frameAt(record, number);
    const inBounds = frame.rawLength >= 1 && frame.rawLength <= MAX_FRAME && frame.storedLength > TAG_BYTES;
    if (!inBounds || frame.codec > 1 || frame.key >= record.keys.length || frame.counter > MAX_COUNTER) {
      throw wrong('a frame is out of bounds');
    }
    if (frame.offset < end || frame.blobs < 1 || frame.blobs > blobs - blob) throw wrong('frames overlap');
    end = frame.offset + frame.storedLength;
    if (end > MAX_PACK) throw wrong('a frame is out of bounds');
    if (sumLengths(record, blob, frame.blobs, what) !== frame.rawLength)
      throw wrong('a frame and its blobs differ in length');
    blob += frame.blobs;
  }
  if (blob !== blobs) throw wrong('a blob belongs to no frame');
}

function sumLengths(record: PackRecord, first: number, count: number, what: string): number {
  let sum = 0;
  for (let i = first; i < first + count; i++) {
    const length = record.lengths.readUInt32LE(i * 4);
    if (length < 1 || length > MAX_CHUNK) throw new VarveError('damaged', `${what}: a blob is out of bounds`);
    sum += length;
  }
  return sum;
}
