import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { choosePacks, parseSubset } from '../../src/check/subset.js';
import { isVarveError } from '../errors/expect-error.js';

const packs = Array.from({ length: 500 }, (_, number) => ({
  name: createHash('sha256').update(String(number)).digest('hex'),
  size: 1000 + number,
}));

const never = (): number => assert.fail('chance has no part in it');

test('choosePacks divides all packs into t stable parts', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (parts) => {
      const chosen = Array.from({ length: parts }, (_, part) =>
        choosePacks(packs, { kind: 'part', part: part + 1, parts }, never),
      );
      assert.deepEqual(
        chosen
          .flat()
          .map(({ name }) => name)
          .sort(),
        packs.map(({ name }) => name).sort(),
      );
      assert.deepEqual(choosePacks(packs, { kind: 'part', part: 1, parts }, never), chosen[0]);
    }),
    { numRuns: 30 },
  );
});

test('choosePacks takes random packs up to a share or size', () => {
  const total = packs.reduce((sum, { size }) => sum + size, 0);
  for (const text of ['10%', '2.5%', '100%', '1', '20K', '50KiB', '900G']) {
    const wanted = text.endsWith('%')
      ? (total * Number.parseFloat(text)) / 100
      : ({ '1': 1, '20K': 20_480, '50KiB': 51_200 }[text] ?? total);
    const chosen = choosePacks(packs, parseSubset(text), Math.random);
    const bytes = chosen.reduce((sum, { size }) => sum + size, 0);
    assert.equal(new Set(chosen).size, chosen.length);
    assert.ok(bytes >= Math.min(wanted, total) - 1 && bytes < wanted + 1500, `${text}: ${bytes} bytes`);
  }
  const some = choosePacks(packs, parseSubset('10%'), Math.random);
  assert.notDeepEqual(some, choosePacks(packs, parseSubset('10%'), Math.random));
});

test('choosePacks takes nothing without a subset', () => {
  assert.deepEqual(choosePacks(packs, undefined, never), []);
});

test('parseSubset refuses other text', () => {
  for (const text of ['', '0/4', '5/4', '1/0', '-1/2', '0%', '101%', '%', '0', '1.5G', '10X', '1/2/3', 'all'])
    assert.throws(() => parseSubset(text), isVarveError('usage', /is no part such as 2\/4/), text);
});
