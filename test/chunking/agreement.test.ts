import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ChunkSizes } from '../../src/chunking/parameters.js';
import { referenceEnds, wasmEnds, windowEnds } from './cutting.js';
import { literalEnds } from './literal.js';
import { stream } from './streams.js';

const gearKeys = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Sizes from the smallest that the format allows, odd ones among them. */
const smallSizes: fc.Arbitrary<ChunkSizes> = fc
  .record({ bits: fc.integer({ min: 6, max: 10 }), below: fc.nat(1000), above: fc.nat(3000) })
  .map(({ bits, below, above }) => ({
    min: Math.max(64, 2 ** bits - below),
    average: 2 ** bits,
    max: 2 ** bits + above,
  }));

const contents = fc.oneof(
  fc.uint8Array({ maxLength: 9000, size: 'max' }),
  fc.record({ byte: fc.nat(255), length: fc.nat(9000) }).map(({ byte, length }) => Buffer.alloc(length, byte)),
  fc
    .record({
      seed: fc.string(),
      length: fc.nat(30_000),
      period: fc.integer({ min: 1, max: 5000 }),
      alphabet: fc.integer({ min: 1, max: 256 }),
    })
    .map(stream),
);

test('wasm, the reference and the literal reading of SPEC.md cut alike', () => {
  fc.assert(
    fc.property(gearKeys, smallSizes, contents, (gear, sizes, data) => {
      const expected = literalEnds(gear, [sizes.min, sizes.average, sizes.max], data);
      assert.deepEqual(wasmEnds(gear, sizes, data), expected);
      assert.deepEqual(referenceEnds(gear, sizes, data), expected);
    }),
    { numRuns: 300 },
  );
});

test('a stream read through a small window is cut like the whole stream', () => {
  const reads = fc.infiniteStream(fc.integer({ min: 1, max: 4000 }));
  fc.assert(
    fc.property(gearKeys, smallSizes, contents, fc.nat(5000), reads, (gear, sizes, data, spare, lengths) => {
      const read = (): number => lengths.next().value;
      assert.deepEqual(windowEnds(gear, sizes, data, sizes.max + spare, read), wasmEnds(gear, sizes, data));
    }),
    { numRuns: 300 },
  );
});

test('a window exactly as large as the largest chunk, read byte by byte, is enough', () => {
  const gear = Buffer.alloc(32, 5);
  const sizes = { min: 64, average: 128, max: 200 };
  const data = stream({ seed: 'byte by byte', length: 3001 });
  assert.deepEqual(
    windowEnds(gear, sizes, data, sizes.max, () => 1),
    wasmEnds(gear, sizes, data),
  );
});

test('every length around the sizes is cut alike', () => {
  const gear = Buffer.alloc(32, 9);
  for (const sizes of [
    { min: 64, average: 64, max: 64 },
    { min: 64, average: 128, max: 200 },
    { min: 65, average: 128, max: 129 },
    { min: 127, average: 128, max: 128 },
  ])
    for (let length = 0; length <= 2 * sizes.max + 5; length++) {
      const data = stream({ seed: `length ${length}`, length });
      const expected = literalEnds(gear, [sizes.min, sizes.average, sizes.max], data);
      assert.deepEqual(wasmEnds(gear, sizes, data), expected, `wasm, ${length} bytes`);
      assert.deepEqual(referenceEnds(gear, sizes, data), expected, `reference, ${length} bytes`);
    }
});

test('real data with sizes as repositories have them is cut alike', () => {
  const gear = Buffer.alloc(32, 1);
  const sources = [
    head(process.execPath, 24 * 1024 * 1024),
    readFileSync(new URL('../../../package-lock.json', import.meta.url)),
  ];
  for (const data of sources)
    for (const average of [4096, 65_536, 1_048_576]) {
      const sizes = { min: average / 4, average, max: average * 4 };
      const ends = wasmEnds(gear, sizes, data);
      assert.deepEqual(referenceEnds(gear, sizes, data), ends);
      let start = 0;
      for (const end of ends) {
        assert.ok(end - start <= sizes.max);
        assert.ok(end - start >= sizes.min || end === data.length);
        start = end;
      }
      assert.equal(start, data.length);
    }
});

function head(path: string, length: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const data = Buffer.alloc(length);
    return data.subarray(0, readSync(file, data, 0, length, 0));
  } finally {
    closeSync(file);
  }
}
