import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../src/bytes/msgpack.js';
import { VarveError } from '../../src/errors/errors.js';
import { MAX_CHUNK, MAX_FRAME, MAX_PACK } from '../../src/format/limits.js';
import {
  blobCount,
  type Frame,
  frameAt,
  frameCount,
  framesOf,
  type PackRecord,
  PackRecordBuilder,
  packRecordFields,
  parsePackRecord,
} from '../../src/format/pack-record.js';
import { isVarveError } from '../errors/expect-error.js';
import * as any from './arbitraries.js';

const parse = (record: PackRecord): PackRecord =>
  parsePackRecord(decode(encode(packRecordFields(record)), 'data/ab'), 'data/ab');

test('a record returns as it was written', () => {
  fc.assert(
    fc.property(any.packRecord, (record) => {
      const parsed = parse(record);
      assert.deepEqual(parsed, record);
      let blobs = 0;
      for (let number = 0; number < frameCount(parsed); number++) {
        assert.deepEqual(frameAt(parsed, number), frameAt(record, number));
        blobs += frameAt(parsed, number).blobs;
      }
      assert.equal(blobs, blobCount(parsed));
    }),
  );
});

test('its encoded length is bounded as the writer reserves it', () => {
  fc.assert(
    fc.property(any.packRecord, (record) => {
      const builder = new PackRecordBuilder(record.kind);
      for (const frame of framesOf(record)) builder.addCopy(record, frame, frame.offset);
      assert.deepEqual(builder.build(), record);
      assert.equal(builder.frames, frameCount(record));
      assert.equal(builder.blobs, blobCount(record));
      assert.ok(encode(packRecordFields(builder.build())).length <= builder.encodedLength);
    }),
  );
});

test('any value is a record or damaged', () => {
  fc.assert(
    fc.property(
      any.packRecord,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      (record, changes) => {
        const bytes = encode(packRecordFields(record));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        try {
          parse(parsePackRecord(decode(bytes, 'data/ab'), 'data/ab'));
        } catch (error) {
          assert.ok(error instanceof VarveError && error.code === 'damaged', String(error));
        }
      },
    ),
    { numRuns: 5000 },
  );
});

/** Two frames: blobs of 10 and 20 bytes, then one of 30. */
function build(
  changes: { first?: Partial<Frame>; second?: Partial<Frame>; lengths?: readonly number[]; keys?: number } = {},
): PackRecord {
  const { first = {}, second = {}, lengths = [10, 20, 30], keys = 1 } = changes;
  const rows = [
    { offset: 0, storedLength: 40, rawLength: 30, key: 0, codec: 1, counter: 0, blobs: 2, ...first },
    { offset: 50, storedLength: 46, rawLength: 30, key: 0, codec: 0, counter: 1, blobs: 1, ...second },
  ];
  const frames = Buffer.alloc(48);
  for (const [at, row] of rows.entries()) {
    const words = [
      row.offset,
      row.storedLength,
      row.rawLength,
      (row.key | (row.codec << 16)) >>> 0,
      row.counter,
      row.blobs,
    ];
    for (const [i, word] of words.entries()) frames.writeUInt32LE(word, at * 24 + i * 4);
  }
  const column = Buffer.alloc(lengths.length * 4);
  for (const [i, length] of lengths.entries()) column.writeUInt32LE(length, i * 4);
  return {
    kind: 1,
    keys: Array.from({ length: keys }, () => Buffer.alloc(84)),
    frames,
    ids: Buffer.alloc(lengths.length * 32, 5),
    lengths: column,
  };
}

test('every field out of its bounds is refused', () => {
  assert.doesNotThrow(() => parse(build()));
  const bad: Record<string, PackRecord> = {
    'a raw length of 0': build({ first: { rawLength: 0 }, lengths: [0, 0, 30] }),
    'a raw length beyond the limit': build({ second: { rawLength: MAX_FRAME + 1 } }),
    'a stored length of the tag alone': build({ second: { storedLength: 16 } }),
    'codec 2': build({ first: { codec: 2 as 1 } }),
    'a codec beyond its byte': build({ first: { codec: 0x100 as 1 } }),
    'a key that is not there': build({ second: { key: 1 } }),
    'no keys': build({ keys: 0 }),
    'a counter of 2^16': build({ second: { counter: 0x1_0000 } }),
    'frames that overlap': build({ second: { offset: 39 } }),
    'frames out of order': build({ first: { offset: 100 } }),
    'a frame beyond the limit of a pack': build({ second: { offset: MAX_PACK - 45 } }),
    'an offset that overflows': build({ second: { offset: 0xffff_ffff } }),
    'a frame without blobs': build({ second: { blobs: 0 }, lengths: [10, 20] }),
    'more blobs than there are': build({ second: { blobs: 2 } }),
    'a huge number of blobs': build({ second: { blobs: 0xffff_ffff } }),
    'a blob too many': build({ lengths: [10, 20, 30, 1] }),
    'a blob of no bytes': build({ lengths: [30, 0, 30] }),
    'a blob beyond the limit': build({ second: { rawLength: MAX_CHUNK + 1 }, lengths: [10, 20, MAX_CHUNK + 1] }),
    'blobs that are longer than their frame': build({ lengths: [10, 21, 30] }),
    'blobs that are shorter than their frame': build({ lengths: [10, 19, 30] }),
    'half a row': { ...build(), frames: build().frames.subarray(0, 36) },
    'half an id': { ...build(), ids: Buffer.alloc(80) },
    'an id too few': { ...build(), ids: Buffer.alloc(64) },
    'an id too many': { ...build(), ids: Buffer.alloc(128) },
    'half a length': { ...build(), lengths: build().lengths.subarray(0, 10) },
    'kind 0': { ...build(), kind: 0 as 1 },
    'kind 3': { ...build(), kind: 3 as 1 },
    'a short key': { ...build(), keys: [Buffer.alloc(83)] },
    'a long key': { ...build(), keys: [Buffer.alloc(85)] },
  };
  for (const [what, record] of Object.entries(bad))
    assert.throws(() => parse(record), isVarveError('damaged', /^data\/ab: /), what);
  assert.doesNotThrow(() => parse(build({ second: { counter: 0xffff } })));
  assert.doesNotThrow(() => parse(build({ second: { offset: MAX_PACK - 46 } })));
});

test('values of another shape are refused', () => {
  const fields = packRecordFields(build());
  for (const bad of [
    null,
    {},
    5,
    [],
    fields.slice(0, 4),
    [...fields, 0],
    ...fields.map((_, at) => fields.toSpliced(at, 1, 'x')),
  ])
    assert.throws(() => parsePackRecord(bad, 'data/ab'), isVarveError('damaged'));
});
