import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import * as msgpack from '../../src/bytes/msgpack.js';
import { valueEnd } from '../../src/bytes/wire.js';
import { VarveError } from '../../src/errors/errors.js';

const { encode, decode } = msgpack;
const hex = (value: unknown): string => Buffer.from(encode(value)).toString('hex');
const damaged = (error: unknown): boolean => error instanceof VarveError && error.code === 'damaged';

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 10 }).filter((key) => key !== '__proto__'),
      tie('any'),
      { noNullPrototype: true, maxKeys: 20 },
    ),
  ),
})).any;

/** Views become Uint8Array and small bigints numbers, as the decoder has them. */
function plain(x: unknown): unknown {
  if (x instanceof Uint8Array) return `bin ${Buffer.from(x).toString('hex')}`;
  if (typeof x === 'bigint') return x <= 2n ** 53n && x >= -(2n ** 53n) ? Number(x) : x;
  if (Array.isArray(x)) return x.map(plain);
  if (typeof x === 'object' && x !== null) return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, plain(v)]));
  return x;
}

test('integers, text and bytes take the shortest form', () => {
  assert.equal(
    hex([0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1]),
    '98007fcc80ccffcd0100cdffffce00010000ceffffffff',
  );
  assert.equal(hex(2 ** 32), 'd30000000100000000');
  assert.equal(hex(-(2 ** 31) - 1), 'd3ffffffff7fffffff');
  assert.equal(hex([-1, -32, -33, -128, -129, -32769]), '96ffe0d0dfd080d1ff7fd2ffff7fff');
  assert.equal(hex([5n, -5n]), '9205fb');
  assert.equal(
    hex(['a', 'ä'.repeat(16), new Uint8Array(2), Buffer.alloc(1)]),
    `94a161d920${'c3a4'.repeat(16)}c4020000c40100`,
  );
  assert.equal(hex({ b: 1, a: [2 ** 40] }), '82a16201a16191d30000010000000000');
  assert.equal(encode('x'.repeat(255))[0], 0xd9);
  assert.equal(encode('ä'.repeat(127))[0], 0xd9);
  assert.equal(encode('x'.repeat(256))[0], 0xda);
});

test('encode refuses values that plain MessagePack lacks', () => {
  for (const bad of [
    undefined,
    [undefined],
    { a: undefined },
    new Map(),
    new Date(0),
    2 ** 60,
    1.5,
    Number.NaN,
    2n ** 64n,
    () => 1,
  ])
    assert.throws(() => encode(bad), VarveError);
});

test('any value returns as it was, and its end is found within a longer buffer', () => {
  fc.assert(
    fc.property(value, fc.uint8Array({ maxLength: 5 }), (x, after) => {
      const bytes = encode(x);
      assert.deepEqual(plain(decode(bytes, 'x')), plain(x));
      const longer = Buffer.concat([after, bytes, after]);
      assert.equal(valueEnd(longer, after.length, 'x'), after.length + bytes.length);
      assert.deepEqual(plain(decode(longer, 'x', after.length, after.length + bytes.length)), plain(x));
      for (let n = 0; n < bytes.length; n += 1 + (n >> 4)) {
        assert.equal(valueEnd(bytes, 0, 'x', n), -1);
        assert.throws(() => decode(bytes.subarray(0, n), 'x'), damaged);
      }
    }),
  );
});

test('random bytes either decode or are refused as damaged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decode(bytes, 'x');
      } catch (error) {
        assert.ok(damaged(error), String(error));
      }
    }),
    { numRuns: 20_000 },
  );
});

test('hostile input is refused', () => {
  const cases: Record<string, string> = {
    'an extension': 'd40000',
    'a long extension': 'c70101ff',
    'never used': 'c1',
    'trailing bytes': '0000',
    'a huge array': 'ddffffffff',
    'a huge map': 'dfffffffff',
    'a huge bin': 'c6ffffffff00',
    'a key that is a number': '810101',
    'a key twice': '82a16101a16102',
    'text that is not UTF-8': 'a2c328',
    'deep nesting': '91'.repeat(100_000),
    'deep maps': `81a161${'81a161'.repeat(50_000)}`,
    'a record definition': 'd4724091a16101',
    nothing: '',
  };
  for (const [name, bytes] of Object.entries(cases))
    assert.throws(() => decode(Buffer.from(bytes, 'hex'), 'keys/ab'), damaged, name);
  assert.throws(() => decode(Buffer.from('0000', 'hex'), 'keys/ab'), /^VarveError: keys\/ab: bytes follow its end/);
});

test('a key named __proto__ is one that decode does not know', () => {
  const map = decode(Buffer.from(`82a9${Buffer.from('__proto__').toString('hex')}81a16101a16202`, 'hex'), 'x');
  assert.equal(Object.getPrototypeOf(map), Object.prototype);
  const { a, b } = map as Record<string, unknown>;
  assert.deepEqual([a, b], [undefined, 2]);
});

test('fields of the wrong type, range or length are refused', () => {
  const wrong: (() => unknown)[] = [
    () => msgpack.asBytes('x', undefined, 'f'),
    () => msgpack.asBytes(new Uint8Array(3), 4, 'f'),
    () => msgpack.asBytesUpTo(new Uint8Array(3), 2, 'f'),
    () => msgpack.asUint(-1, 5, 'f'),
    () => msgpack.asUint(6, 5, 'f'),
    () => msgpack.asUint(1.5, 5, 'f'),
    () => msgpack.asUint(1n, 5, 'f'),
    () => msgpack.asInt(2 ** 53, 'f'),
    () => msgpack.asUint64(-1, 'f'),
    () => msgpack.asArray({}, 0, 'f'),
    () => msgpack.asArray([1], 2, 'f'),
    () => msgpack.asText(1, 'f'),
    () => msgpack.asText('abc', 'f', 2),
    () => msgpack.asBool(0, 'f'),
    () => msgpack.asMap([], 'f'),
    () => msgpack.asMap(new Uint8Array(1), 'f'),
  ];
  for (const check of wrong) assert.throws(check, damaged, check.toString());
  assert.equal(msgpack.asUint64(decode(encode(2n ** 64n - 1n), 'x'), 'x'), 2n ** 64n - 1n);
  assert.equal(msgpack.asUint64(decode(encode(2n ** 53n), 'x'), 'x'), 2n ** 53n);
});
