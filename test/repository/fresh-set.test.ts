import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { FreshSet, type FreshSetHandle } from '../../src/repository/writing/fresh-set.js';
import { WorkerPool } from '../../src/workers/pool.js';
import type { Firsts, Range } from './fresh-worker.js';
import { idOf } from './ids.js';

/** Ids that are easily confused: they have few different words. */
const id = fc
  .array(fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff), { minLength: 8, maxLength: 8 })
  .map((words) => {
    const out = Buffer.alloc(32);
    for (const [at, word] of words.entries()) out.writeUInt32LE(word, at * 4);
    return out;
  });

test('FreshSet distinguishes ids by their first 16 bytes', () => {
  fc.assert(
    fc.property(fc.array(id, { maxLength: 200 }), (ids) => {
      const set = FreshSet.create();
      const model = new Set<string>();
      for (const each of ids) {
        const key = each.toString('hex', 0, 16);
        assert.equal(set.add(each), !model.has(key));
        model.add(key);
      }
    }),
    { numRuns: 200 },
  );
});

test('FreshSet forgets nothing when it grows over several levels', () => {
  const set = FreshSet.create();
  const count = 16_384 * 7 + 5;
  for (let number = 0; number < count; number++) assert.ok(set.add(idOf(number)), `${number} is new`);
  for (let number = 0; number < count; number += 7) assert.equal(set.add(idOf(number)), false, `${number} is known`);
  const second = new FreshSet(set.handle);
  assert.equal(second.add(idOf(5)), false);
  assert.ok(second.add(idOf(count)));
  assert.equal(set.add(idOf(count)), false);
});

test('FreshSet.add returns true in one thread, or rarely two, when several add the same id', {
  timeout: 60_000,
}, async () => {
  const set = FreshSet.create();
  const threads = 4;
  const total = 120_000;
  const pool = new WorkerPool<FreshSetHandle, Range, Firsts>(
    new URL('./fresh-worker.js', import.meta.url),
    threads,
    () => ({
      data: set.handle,
      transfer: [],
    }),
  );
  try {
    const times = new Uint8Array(total);
    for (let from = 0; from < total; from += 20_000) {
      const replies = await pool.runOnEach({ from, to: from + 20_000 });
      for (const firsts of replies) for (const number of firsts) times[number] = (times[number] as number) + 1;
    }
    assert.equal(times.indexOf(0), -1, 'each id was first once at least');
    const twice = times.filter((each) => each > 1).length;
    assert.ok(twice <= 20, `${twice} ids were first twice`);
    for (const firsts of await pool.runOnEach({ from: 0, to: total })) assert.deepEqual(firsts, []);
  } finally {
    await pool.close();
  }
});
