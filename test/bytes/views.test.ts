import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/bytes/hex.js';
import { asBuffer, compareBytes, equalBytes, u32 } from '../../src/bytes/views.js';

test('hex and bytes turn into each other, in either case', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(5), (bytes, start) => {
      const view = bytes.subarray(Math.min(start, bytes.length));
      const hex = toHex(view);
      assert.match(hex, /^[0-9a-f]*$/);
      assert.deepEqual(new Uint8Array(fromHex(hex) as Uint8Array), new Uint8Array(view));
      assert.deepEqual(fromHex(hex.toUpperCase()), fromHex(hex));
    }),
  );
  for (const bad of ['0', '0g', ' 00', '0x00', 'ab\n']) assert.equal(fromHex(bad), undefined, bad);
});

test('bytes compare as strings of unsigned bytes, the shorter first', () => {
  const sign = (n: number): number => Math.sign(n);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5 }), fc.uint8Array({ maxLength: 5 }), (a, b) => {
      const left = Buffer.from(a).toString('latin1');
      const right = Buffer.from(b).toString('latin1');
      assert.equal(sign(compareBytes(a, b)), left < right ? -1 : left > right ? 1 : 0);
      assert.equal(equalBytes(a, b), left === right);
    }),
  );
});

test('a view shares its memory, and u32 is little-endian', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  const view = asBuffer(bytes.subarray(1, 3));
  view[0] = 9;
  assert.deepEqual([...bytes], [1, 9, 3, 4]);
  assert.equal(view.length, 2);
  assert.deepEqual([...u32(0x01020304)], [4, 3, 2, 1]);
});
