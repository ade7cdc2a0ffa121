import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { gearTable } from '../../src/chunking/gear.js';
import { masks, validateChunkSizes } from '../../src/chunking/parameters.js';

const MIB = 1024 * 1024;

test('sizes within the bounds are accepted', () => {
  for (const [min, average, max] of [
    [64, 64, 64],
    [65, 128, 129],
    [MIB / 4, MIB, 4 * MIB],
    [64 * MIB, 64 * MIB, 64 * MIB],
  ] as const)
    validateChunkSizes({ min, average, max });
});

test('sizes out of bounds are refused, with the code that the caller gives', () => {
  for (const [min, average, max] of [
    [63, 64, 64],
    [0, 64, 64],
    [129, 128, 256],
    [64, 128, 127],
    [64, 100, 200],
    [64, 64 * MIB, 64 * MIB + 1],
    [64.5, 128, 256],
    [64, Number.NaN, 256],
    [64, 128, Number.POSITIVE_INFINITY],
  ] as const) {
    assert.throws(() => validateChunkSizes({ min, average, max }), { code: 'usage' });
    assert.throws(() => validateChunkSizes({ min, average, max }, 'damaged'), { code: 'damaged' });
  }
});

test('masks are one bits from bit 62 downwards, one more and one fewer than log2 of the average', () => {
  assert.deepEqual(masks(64), { strict: 0x7f00_0000_0000_0000n, loose: 0x7c00_0000_0000_0000n });
  assert.deepEqual(masks(2 ** 20), { strict: 0x7fff_fc00_0000_0000n, loose: 0x7fff_f000_0000_0000n });
  assert.deepEqual(masks(2 ** 26), { strict: 0x7fff_fff0_0000_0000n, loose: 0x7fff_ffc0_0000_0000n });
});

test('the gear table is keyed', () => {
  const key = Buffer.alloc(32, 8);
  const table = gearTable(key);
  assert.equal(table.length, 256);
  const message = Buffer.concat([Buffer.from('varve/1/gear'), Buffer.of(200)]);
  assert.equal(table[200], createHmac('sha256', key).update(message).digest().readBigUInt64LE());
  assert.equal(new Set(table).size, 256);
  assert.notEqual(gearTable(Buffer.alloc(32, 9))[200], table[200]);
});
