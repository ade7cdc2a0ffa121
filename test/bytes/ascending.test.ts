import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lastAtMost, lastOf } from '../../src/bytes/ascending.js';

test('lastAtMost finds the last number that is at most the given one', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.nat(60), (numbers, place) => {
      const places = numbers.sort((a, b) => a - b);
      assert.equal(lastAtMost(places, place), Math.max(0, places.filter((each) => each <= place).length - 1));
    }),
  );
});

test('the last for which something holds is 0 when it holds for none, or there is none', () => {
  assert.equal(
    lastOf(0, () => true),
    0,
  );
  assert.equal(
    lastOf(5, () => false),
    0,
  );
  assert.equal(
    lastOf(5, () => true),
    4,
  );
});
