import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chunker } from '../../src/chunking/chunker.js';
import { gearTable } from '../../src/chunking/gear.js';
import { wasmEnds } from './cutting.js';
import { cutReference } from './reference.js';
import { stream } from './streams.js';

const gear = Buffer.alloc(32, 3);
const sizes = { min: 64, average: 256, max: 1024 };

/** A chunker and the reference implementation, over the same data. */
function pair(data: Uint8Array, capacity: number) {
  const chunker = Chunker.create(gear, sizes, capacity);
  chunker.memory.set(data);
  const table = gearTable(gear);
  return {
    chunker,
    cut: (start: number, end: number, final: boolean) => chunker.cut(start, end, final),
    reference: (start: number, end: number, final: boolean) =>
      cutReference(table, sizes, chunker.memory, start, end, final),
  };
}

test('no cut is decided on fewer than max bytes unless they are the last', () => {
  const { cut, reference } = pair(stream({ seed: 'undecided', length: 4096 }), 4096);
  for (const decide of [cut, reference]) {
    assert.equal(decide(0, 0, false), 0);
    assert.equal(decide(100, 100 + 63, false), 0);
    assert.equal(decide(100, 100 + 1023, false), 0);
    const whole = decide(100, 4096, true);
    assert.ok(whole >= 100 + 64 && whole <= 100 + 1024);
    assert.equal(decide(100, 100 + 1024, false), whole);
    assert.equal(decide(100, 4096, false), whole);
  }
});

test('the end of a stream: nothing, less than min, min, min + 1', () => {
  const { cut, reference } = pair(stream({ seed: 'rest', length: 2000 }), 2000);
  for (const decide of [cut, reference]) {
    assert.equal(decide(0, 0, true), 0, 'an empty stream has no chunks');
    assert.equal(decide(700, 700, true), 0, 'nor has what remains of a finished one');
    for (const length of [1, 2, 63, 64]) assert.equal(decide(700, 700 + length, true), 700 + length);
    const end = decide(700, 700 + 65, true);
    assert.ok(end === 700 + 64 || end === 700 + 65);
  }
});

test('without a hit a chunk has max bytes, and the rest of an odd one is not tested', () => {
  const high = Buffer.alloc(5000, hitless());
  for (const max of [1024, 1023]) {
    const ends = wasmEnds(gear, { ...sizes, max }, high);
    assert.deepEqual(ends.slice(0, 2), [max, 2 * max]);
    assert.equal(ends.at(-1), 5000);
  }
});

/** A byte value that, repeated, never gives a cut. */
function hitless(): number {
  for (let byte = 0; byte < 256; byte++) if (wasmEnds(gear, sizes, Buffer.alloc(1024, byte))[0] === 1024) return byte;
  throw new Error('no such byte');
}

test('with an odd min a chunk can be one byte shorter than min', () => {
  const odd = { min: 65, average: 64 * 2, max: 1024 };
  let shorter = 0;
  for (let i = 0; i < 2000; i++) {
    const first = wasmEnds(gear, odd, stream({ seed: `odd ${i}`, length: 200 }))[0] as number;
    assert.ok(first >= 64);
    if (first === 64) shorter++;
  }
  assert.ok(shorter > 0);
});

test('the average lies near the one asked for, and depends on the gear', () => {
  const data = stream({ seed: 'average', length: 4_000_000 });
  const big = { min: 1024, average: 4096, max: 16_384 };
  const ends = wasmEnds(gear, big, data);
  const mean = data.length / ends.length;
  assert.ok(mean > 4096 && mean < 1.5 * 4096, `${mean} bytes`);
  assert.notDeepEqual(wasmEnds(Buffer.alloc(32, 4), big, data), ends);
});

test('the window has the capacity asked for, stays attached, and is each chunker’s own', () => {
  const one = Chunker.create(gear, sizes, 1_000_001);
  const other = Chunker.create(gear, sizes, 4096);
  assert.equal(one.memory.length, 1_000_001);
  one.memory.fill(1);
  other.memory.fill(2);
  assert.ok(one.cut(0, 1_000_001, true) > 0);
  assert.equal(one.memory.length, 1_000_001);
  assert.ok(one.memory.every((byte) => byte === 1));
  assert.ok(other.memory.every((byte) => byte === 2));
});

test('a cut at the very end of a window of 64 MiB', () => {
  const chunker = Chunker.create(gear, { min: 2 ** 20, average: 2 ** 21, max: 2 ** 26 }, 2 ** 26);
  assert.equal(chunker.cut(2 ** 26 - 1, 2 ** 26, true), 2 ** 26);
  chunker.memory.fill(hitless());
  assert.equal(chunker.cut(0, 2 ** 26, false), 2 ** 26);
});

test('wrong sizes, capacities and ranges are refused', () => {
  assert.throws(() => Chunker.create(gear, { min: 63, average: 64, max: 64 }, 4096), { code: 'usage' });
  for (const capacity of [0, 1023, 1024.5, Number.NaN, 2 ** 32])
    assert.throws(() => Chunker.create(gear, sizes, capacity), { code: 'internal' });
  const chunker = Chunker.create(gear, sizes, 1024);
  for (const [start, end] of [
    [-1, 5],
    [0, 1025],
    [6, 5],
    [Number.NaN, 5],
  ] as const)
    assert.throws(() => chunker.cut(start, end, true), { code: 'internal' });
});
