import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPadmeLength, padmeLength } from '../../src/format/padme.js';

const length = fc.oneof(fc.integer({ min: 2, max: 5000 }), fc.integer({ min: 2, max: 2 ** 30 }));

/** SPEC.md section 9, to the letter, in integers. */
function fits(padded: number): boolean {
  const exponent = 31 - Math.clz32(padded);
  const bits = 32 - Math.clz32(exponent);
  const low = Math.max(0, exponent - bits);
  return (padded & (2 ** low - 1)) === 0;
}

test('a padded length fits the rule, is the smallest that does, and is at most 12 % longer', () => {
  fc.assert(
    fc.property(length, (bytes) => {
      const padded = padmeLength(bytes);
      assert.ok(padded >= bytes && padded <= bytes * 1.12, `${bytes}: ${padded}`);
      assert.ok(fits(padded), `${bytes}: ${padded}`);
      assert.ok(isPadmeLength(padded));
      assert.equal(padmeLength(padded), padded);
      for (let less = padded - 1; less >= bytes && less > padded - 200; less--)
        assert.ok(!fits(less), `${less} would do`);
      assert.equal(isPadmeLength(bytes), fits(bytes));
    }),
    { numRuns: 5000 },
  );
});

test('longer input never gets a shorter padded length', () => {
  fc.assert(fc.property(length, fc.nat(100_000), (bytes, more) => padmeLength(bytes + more) >= padmeLength(bytes)));
});

test('packs grow by 3 % at most', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2 ** 20, max: 2 ** 30 }), (bytes) => padmeLength(bytes) <= bytes * (1 + 1 / 32)),
  );
});

test('known lengths', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 8, 9, 100, 1000, 1_000_000, 2 ** 24 + 1].map(padmeLength),
    [0, 1, 2, 3, 8, 10, 104, 1024, 1_015_808, 17_301_504],
  );
});
