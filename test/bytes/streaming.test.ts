import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr, Unpackr } from 'msgpackr';
import { encode } from '../../src/bytes/msgpack.js';
import { ENDS_EARLY, MessagePackReader } from '../../src/bytes/reader.js';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { VarveError } from '../../src/errors/errors.js';
import { isVarveError } from '../errors/expect-error.js';

type Item = null | number | bigint | string | Uint8Array | readonly Item[] | { readonly [key: string]: Item };

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const i64 = fc.bigInt({ min: -(2n ** 63n), max: -1n });
const edges = fc
  .constantFrom(5, 7, 8, 15, 16, 31, 32, 52)
  .chain((bit) => fc.integer({ min: -2, max: 2 }).map((near) => 2 ** bit + near));
const item = fc.letrec<{ any: Item }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.maxSafeInteger(),
    edges,
    edges.map((n) => -n),
    u64,
    i64,
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(255, 256, 65_535, 65_536).map((n) => new Uint8Array(n)),
    fc.constantFrom(31, 32, 255, 256, 65_535, 65_536).map((n) => 'x'.repeat(n)),
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 10 }).filter((key) => key !== '__proto__'),
      tie('any'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).any;

function write(out: MessagePackWriter, value: Item): void {
  if (value === null) out.nil();
  else if (typeof value === 'number' || typeof value === 'bigint') out.int(value);
  else if (typeof value === 'string') out.str(value);
  else if (value instanceof Uint8Array) out.bin(value);
  else if (Array.isArray(value)) {
    out.array(value.length);
    for (const each of value) write(out, each);
  } else {
    const entries = Object.entries(value);
    out.map(entries.length);
    for (const [key, each] of entries) {
      out.str(key);
      write(out, each);
    }
  }
}

/** Reads a value whose shape is known. */
function read(from: MessagePackReader, like: Item): Item {
  if (from.nil()) return null;
  if (typeof like === 'number' || typeof like === 'bigint') return from.int();
  if (typeof like === 'string') return from.str().toString();
  if (like instanceof Uint8Array) {
    assert.ok(from.nextIsBin());
    return from.bin();
  }
  if (Array.isArray(like)) {
    assert.equal(from.array(), like.length);
    return like.map((each) => read(from, each));
  }
  const keys = Object.entries(like as Record<string, Item>);
  assert.equal(from.map(), keys.length);
  return Object.fromEntries(keys.map(([, each]) => [from.str().toString(), read(from, each)]));
}

/** Bytes as hex, and integers as bigint, so that values from both sides compare. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bin ${Buffer.from(value).toString('hex')}`;
  if (typeof value === 'number') return BigInt(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  return value;
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' });

test('msgpackr and the reader read the output of the writer', () => {
  fc.assert(
    fc.property(item, (value) => {
      const out = new MessagePackWriter();
      write(out, value);
      assert.deepEqual(plain(unpackr.unpack(out.view())), plain(value));
      const reader = new MessagePackReader(out.view(), 'x');
      assert.deepEqual(plain(read(reader, value)), plain(value));
      assert.equal(reader.remaining, 0);
    }),
    { numRuns: 300 },
  );
});

test('the reader reads and skips the output of msgpackr', () => {
  const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
  fc.assert(
    fc.property(item, (value) => {
      const bytes = encode(value);
      const reader = new MessagePackReader(bytes, 'x');
      assert.deepEqual(plain(read(reader, value)), plain(value));
      const skipping = new MessagePackReader(Buffer.concat([bytes, packr.pack(7)]), 'x');
      skipping.skip(0);
      assert.equal(skipping.position, bytes.length);
      assert.equal(skipping.int(), 7);
    }),
    { numRuns: 300 },
  );
});

test('every value takes its shortest form', () => {
  const hex = (value: Item): string => {
    const out = new MessagePackWriter();
    write(out, value);
    return out.view().toString('hex');
  };
  assert.equal(hex([0, 127, 128, 255, 256, 65_535, 65_536]), '97007fcc80ccffcd0100cdffffce00010000');
  assert.equal(hex([2 ** 32 - 1, 2 ** 32]), '92ceffffffffcf0000000100000000');
  assert.equal(hex([-1, -32, -33, -128, -129, -32_768, -32_769]), '97ffe0d0dfd080d1ff7fd18000d2ffff7fff');
  assert.equal(hex(-(2 ** 31) - 1), 'd3ffffffff7fffffff');
  assert.equal(hex('a'.repeat(31)).slice(0, 2), 'bf');
  assert.equal(hex('a'.repeat(32)).slice(0, 4), 'd920');
  assert.equal(hex(new Uint8Array(255)).slice(0, 4), 'c4ff');
  assert.equal(hex(new Uint8Array(256)).slice(0, 6), 'c50100');
  assert.equal(hex(Array.from({ length: 16 }, () => 0)).slice(0, 6), 'dc0010');
  assert.equal(
    hex(Array.from({ length: 65_536 }, () => 0))
      .slice(0, 10)
      .toString(),
    'dd00010000',
  );
});

test('a value that is cut off anywhere ends early and is never misread', () => {
  fc.assert(
    fc.property(item, (value) => {
      const out = new MessagePackWriter();
      write(out, value);
      const bytes = out.view();
      for (let n = 0; n < bytes.length; n += 1 + (n >> 3)) {
        const reader = new MessagePackReader(bytes.subarray(0, n), 'x');
        assert.throws(
          () => reader.skip(0),
          (error) => error === ENDS_EARLY,
        );
      }
    }),
    { numRuns: 100 },
  );
});

test('any bytes are read, end early, or are damaged; nothing else happens', () => {
  const calls: ((reader: MessagePackReader) => unknown)[] = [
    (r) => r.array(),
    (r) => r.map(),
    (r) => r.nil(),
    (r) => r.nextIsBin(),
    (r) => r.bin(),
    (r) => r.str(),
    (r) => r.int(),
    (r) => r.uint(),
    (r) => r.uint(100),
    (r) => r.skip(0),
  ];
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.constantFrom(...calls), { maxLength: 10 }),
      (bytes, todo) => {
        const reader = new MessagePackReader(Buffer.from(bytes), 'x');
        for (const call of todo) {
          try {
            call(reader);
            assert.ok(reader.position <= bytes.length);
          } catch (error) {
            if (error === ENDS_EARLY) return;
            assert.ok(error instanceof VarveError && error.code === 'damaged', String(error));
            return;
          }
        }
      },
    ),
    { numRuns: 20_000 },
  );
});

test('integers out of range, extensions and deep nesting are damaged', () => {
  const reader = (hex: string): MessagePackReader => new MessagePackReader(Buffer.from(hex, 'hex'), 'tree');
  assert.throws(() => reader('ff').uint(), isVarveError('damaged', /^tree: integer -1 is out of range/));
  assert.throws(() => reader('65').uint(100), isVarveError('damaged'));
  assert.equal(reader('64').uint(100), 100);
  assert.throws(() => reader('cfffffffffffffffff').uint(), isVarveError('damaged'));
  assert.equal(reader('cfffffffffffffffff').int(), 2n ** 64n - 1n);
  assert.equal(reader('cf001fffffffffffff').int(), Number.MAX_SAFE_INTEGER);
  assert.equal(reader('cf0020000000000000').int(), 2n ** 53n);
  assert.equal(reader('d3ffe0000000000001').int(), -Number.MAX_SAFE_INTEGER);
  assert.equal(reader('d3ffdfffffffffffff').int(), -(2n ** 53n) - 1n);
  assert.throws(() => reader('cb3ff0000000000000').int(), isVarveError('damaged'));
  for (const hex of ['c1', 'c70101ff', 'd40000', 'd80000'])
    assert.throws(() => reader(hex).skip(0), isVarveError('damaged'), hex);
  assert.throws(() => reader('91'.repeat(100)).skip(0), isVarveError('damaged', /nests/));
  assert.throws(() => reader('81a161'.repeat(100)).skip(0), isVarveError('damaged', /nests/));
  assert.doesNotThrow(() => reader(`${'91'.repeat(16)}00`).skip(0));
  assert.throws(() => reader('91'.repeat(17)).skip(0), isVarveError('damaged', /nests/));
});

test('the writer grows, restarts and accepts encoded bytes', () => {
  const out = new MessagePackWriter();
  const large = Buffer.alloc(300_000, 7);
  out.bin(large);
  out.raw(large);
  assert.equal(out.length, 600_005);
  assert.deepEqual(out.view(5 + 300_000), large);
  out.reset();
  assert.equal(out.length, 0);
  out.nil();
  assert.equal(out.view().toString('hex'), 'c0');
});
