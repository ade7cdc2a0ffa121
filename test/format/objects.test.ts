import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../src/bytes/msgpack.js';
import { VarveError } from '../../src/errors/errors.js';
import { type Config, decodeConfig, encodeConfig } from '../../src/format/config.js';
import { decodeIndexObject, encodeIndexObject, type IndexObject } from '../../src/format/index-object.js';
import { decodeLease, encodeLease, type Lease } from '../../src/format/lease.js';
import { decodeSnapshot, encodeSnapshot, type Snapshot, type SnapshotSummary } from '../../src/format/snapshot.js';
import { compareTimes, timeFromMillis } from '../../src/time/time.js';
import { isVarveError } from '../errors/expect-error.js';
import * as any from './arbitraries.js';

const index: fc.Arbitrary<IndexObject> = fc
  .tuple(
    any.time,
    fc.array(any.exactly(32), { maxLength: 3 }),
    fc.array(fc.tuple(any.exactly(32), any.time), { maxLength: 3 }),
    fc.array(fc.tuple(any.exactly(32), fc.nat(2 ** 30), any.packRecord, any.exactly(16), fc.boolean()), {
      maxLength: 3,
    }),
  )
  .map(([time, replaces, condemned, packs]) => ({
    time,
    replaces,
    condemned: condemned.map(([pack, since]) => ({ pack, time: since })),
    packs: packs.map(([name, size, record, writer, vouched]) => ({ name, size, record, writer, vouched })),
  }));

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const lease: fc.Arbitrary<Lease> = fc
  .tuple(any.time, any.time, any.exactly(16), text, text, text, fc.nat(0xffff_ffff))
  .map(([time, since, id, operation, host, user, pid]) => ({ time, since, id, operation, host, user, pid }));

const sizes = fc
  .tuple(fc.integer({ min: 64, max: 1000 }), fc.integer({ min: 10, max: 26 }), fc.nat(64 * 1024 * 1024))
  .map(([min, log, more]) => ({ min, average: 2 ** log, max: Math.min(64 * 1024 * 1024, 2 ** log + more) }));
const config: fc.Arbitrary<Config> = fc
  .tuple(any.exactly(32), any.time, sizes, sizes, fc.option(any.exactly(32), { nil: undefined }), fc.nat(100))
  .map(([repository, created, data, tree, gear, parity]) => ({ repository, created, data, tree, gear, parity }));

interface Codec<T> {
  readonly any: fc.Arbitrary<T>;
  readonly encode: (value: T) => Buffer;
  readonly decode: (bytes: Buffer) => T;
}

const codec = <T>(each: Codec<T>): Codec<unknown> => each as unknown as Codec<unknown>;
const CODECS: Record<string, Codec<unknown>> = {
  index: codec({ any: index, encode: encodeIndexObject, decode: (bytes) => decodeIndexObject(bytes, 'index/ab') }),
  snapshot: codec({
    any: any.snapshot,
    encode: encodeSnapshot,
    decode: (bytes) => decodeSnapshot(bytes, 'snapshots/ab'),
  }),
  lease: codec({ any: lease, encode: encodeLease, decode: (bytes) => decodeLease(bytes, 'locks/ab') }),
  config: codec({ any: config, encode: encodeConfig, decode: decodeConfig }),
};

/** Keys that need not be there. */
const OPTIONAL = new Set(['config.gear', 'config.parity', 'snapshot.sources', 'snapshot.suspect']);

for (const [name, { any: value, encode: write, decode: read }] of Object.entries(CODECS)) {
  test(`${name}: what is written is read`, () => {
    fc.assert(fc.property(value, (each) => assert.deepEqual(read(write(each)), each)));
  });

  test(`${name}: changed, cut or made up bytes are read or refused`, () => {
    const attempt = (bytes: Buffer): void => {
      try {
        read(bytes);
      } catch (error) {
        // Another version of the format is the user's to deal with, not damage.
        assert.ok(error instanceof VarveError && (error.code === 'damaged' || error.code === 'newer'), String(error));
      }
    };
    fc.assert(fc.property(any.bytes({ maxLength: 60 }), attempt), { numRuns: 1000 });
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(value, changes, fc.nat(), (each, list, end) => {
        const bytes = write(each);
        attempt(bytes.subarray(0, end % bytes.length));
        for (const [at, byte] of list) bytes[at % bytes.length] = byte;
        attempt(bytes);
      }),
      { numRuns: 1500 },
    );
  });

  test(`${name}: no field may be of another type or missing`, () => {
    fc.assert(
      fc.property(value, (each) => {
        const fields = decode(write(each), name) as Record<string, unknown> | unknown[];
        for (const key of Object.keys(fields)) {
          const without = Array.isArray(fields)
            ? fields.toSpliced(Number(key), 1)
            : Object.fromEntries(Object.entries(fields).filter(([k]) => k !== key));
          if (!OPTIONAL.has(`${name}.${key}`)) assert.throws(() => read(encode(without)), VarveError, `${key} missing`);
          for (const wrong of [1.5, true, -1, { a: 1 }, [[]]]) {
            const changed = Array.isArray(fields)
              ? fields.toSpliced(Number(key), 1, wrong)
              : { ...fields, [key]: wrong };
            if (name === 'snapshot' && key === 'summary' && typeof wrong === 'object') continue;
            assert.throws(() => read(encode(changed)), VarveError, `${key} = ${JSON.stringify(wrong)}`);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
}

test('map keys of a later version are passed over', () => {
  fc.assert(
    fc.property(any.snapshot, config, (snapshot, fixed) => {
      const more = (bytes: Buffer): Buffer => encode({ ...(decode(bytes, '') as object), later: [{ x: 1 }] });
      assert.deepEqual(decodeSnapshot(more(encodeSnapshot(snapshot)), 's'), snapshot);
      assert.deepEqual(decodeConfig(more(encodeConfig(fixed))), fixed);
    }),
    { numRuns: 20 },
  );
});

test('chunk sizes that no chunker can have are refused, and so are another version and a parity out of bounds', () => {
  const good = {
    version: 1,
    repository: Buffer.alloc(32),
    created: [0, 0],
    data: [64, 64, 64],
    tree: [1024, 4096, 65_536],
  };
  const read = (changes: object) => () => decodeConfig(encode({ ...good, ...changes }));
  assert.doesNotThrow(read({}));
  for (const data of [
    [63, 64, 64],
    [64, 96, 128],
    [128, 64, 128],
    [64, 128, 64],
    [64, 128, 2 ** 26 + 1],
    [64, 128],
    [64, 128, 256, 512],
  ]) {
    assert.throws(read({ data }), isVarveError('damaged', /^config: /), String(data));
    assert.throws(read({ tree: data }), isVarveError('damaged'), String(data));
  }
  assert.throws(read({ version: 2 }), isVarveError('newer', /format version 2/));
  assert.throws(read({ requires: ['x', 'y'] }), isVarveError('newer', /needs a newer varve than this: it uses x, y$/));
  assert.doesNotThrow(read({ requires: [] }));
  assert.throws(read({ requires: [1] }), isVarveError('damaged'));
  assert.throws(read({ repository: Buffer.alloc(31) }), isVarveError('damaged'));
  assert.equal(read({})().parity, 0);
  for (const parity of [1, 100]) assert.equal(read({ parity })().parity, parity);
  for (const parity of [0, 101]) assert.throws(read({ parity }), isVarveError('damaged'));
});

test('names, sizes and times of an index object keep their bounds', () => {
  const fields = [[0, 0], [], [], []] as unknown[];
  const read = (at: number, value: unknown) => () =>
    decodeIndexObject(encode(fields.toSpliced(at, 1, value)), 'index/ab');
  const record = [1, [], Buffer.alloc(0), Buffer.alloc(0), Buffer.alloc(0)];
  const pack = [Buffer.alloc(32), 2 ** 30, record, Buffer.alloc(16), true];
  assert.doesNotThrow(read(3, [pack]));
  for (const [at, value] of [
    [0, Buffer.alloc(31)],
    [1, 2 ** 30 + 1],
    [3, Buffer.alloc(15)],
    [4, 1],
  ] as const)
    assert.throws(read(3, [pack.toSpliced(at, 1, value)]), isVarveError('damaged'));
  assert.throws(read(3, [pack.slice(0, 3)]), isVarveError('damaged'));
  assert.throws(read(1, [Buffer.alloc(33)]), isVarveError('damaged'));
  assert.throws(read(2, [[Buffer.alloc(32)]]), isVarveError('damaged'));
  assert.throws(read(2, [[Buffer.alloc(32), [0, 1_000_000_000]]]), isVarveError('damaged'));
  assert.throws(read(0, ['0', 0]), isVarveError('damaged'));
});

test('a summary may be absent, and a snapshot of an unknown summary still reads', () => {
  fc.assert(
    fc.property(any.snapshot, (snapshot) => {
      const fields = decode(encodeSnapshot(snapshot), '') as { [key: string]: unknown };
      assert.equal(decodeSnapshot(encode({ ...fields, summary: { other: 1 } }), 's').summary, undefined);
    }),
    { numRuns: 10 },
  );
});

test('times compare by seconds, then nanoseconds; milliseconds become both, before 1970 too', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e12, max: 1e12 }), fc.integer({ min: -1e12, max: 1e12 }), (a, b) => {
      assert.equal(Math.sign(compareTimes(timeFromMillis(a), timeFromMillis(b))), Math.sign(a - b));
      const { seconds, nanoseconds } = timeFromMillis(a);
      assert.equal(seconds * 1000 + nanoseconds / 1e6, a);
      assert.ok(nanoseconds >= 0 && nanoseconds < 1e9);
    }),
  );
  assert.deepEqual(timeFromMillis(-1), { seconds: -1, nanoseconds: 999_000_000 });
  const { nanoseconds } = timeFromMillis(1999.9999999);
  assert.ok(nanoseconds < 1e9);
});

test('a text that no reader takes is not written', () => {
  const [one] = fc.sample(any.snapshot, 1) as [Snapshot];
  const long = 'x'.repeat(65_537);
  for (const changes of [{ host: long }, { tags: ['a', long] }, { excludes: [long] }])
    assert.throws(
      () => encodeSnapshot({ ...one, ...changes }),
      isVarveError('usage', /is longer than 65536 characters/),
    );
  assert.doesNotThrow(() => decodeSnapshot(encodeSnapshot({ ...one, tags: ['x'.repeat(65_536)] }), 'x'));
});

test('counters that no reader takes are written as the nearest that one does', () => {
  fc.assert(
    fc.property(any.snapshot, fc.constantFrom(2 ** 53, 2 ** 64, 2 ** 53 + 2, -1, 0.5), (one, bytes) => {
      fc.pre(one.summary !== undefined);
      const summary = { ...(one.summary as SnapshotSummary), total_bytes_processed: bytes };
      const sources = one.paths.map(() => ({ entries: 1, bytes }));
      const read = decodeSnapshot(encodeSnapshot({ ...one, summary, sources }), 'x');
      const expected = Math.max(0, Math.min(2 ** 53 - 1, Math.round(bytes)));
      assert.equal(read.summary?.total_bytes_processed, expected);
      assert.ok(read.sources?.every((each) => each.bytes === expected) ?? true);
    }),
    { numRuns: 50 },
  );
});
