import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inverse, product } from '../../src/parity/field.js';
import {
  invertMatrix,
  MAX_SHARDS,
  type Matrix,
  matrixOf,
  matrixProduct,
  parityCoefficient,
} from '../../src/parity/matrix.js';
import { multiplyShards } from '../../src/parity/multiplier.js';
import { multiplyShardsReference } from './reference.js';

/** The product as polynomials, bit by bit, as the definition has it. */
function longhand(a: number, b: number): number {
  let sum = 0;
  for (let bit = 7; bit >= 0; bit--) {
    sum = (sum << 1) ^ (sum & 0x80 ? 0x11d : 0);
    if ((b >> bit) & 1) sum ^= a;
  }
  return sum;
}

test('products and inverses are those of the field', () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) assert.equal(product(a, b), longhand(a, b), `${a} · ${b}`);
    if (a > 0) assert.equal(longhand(a, inverse(a)), 1);
  }
});

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

/** A matrix, and inputs that may be shorter than what is asked for. */
const task = fc
  .record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 12 }), length: fc.nat(2500) })
  .chain(({ rows, columns, length }) =>
    fc.record({
      length: fc.constant(length),
      matrix: bytes(rows * columns).map((values): Matrix => ({ rows, columns, values })),
      inputs: fc.array(fc.nat(length).chain(bytes), { minLength: columns, maxLength: columns }),
    }),
  );

test('multiplyShards agrees with the reference implementation', () => {
  fc.assert(
    fc.property(task, ({ length, matrix, inputs }) => {
      const outputs = (): Uint8Array[] => Array.from({ length: matrix.rows }, () => new Uint8Array(length).fill(0xee));
      const [fast, plain] = [outputs(), outputs()];
      multiplyShards(matrix, inputs, fast);
      multiplyShardsReference(matrix, inputs, plain);
      assert.deepEqual(fast, plain);
    }),
    { numRuns: 60 },
  );
});

test('the largest matrix, and a smaller one after it', () => {
  for (const [rows, columns] of [
    [127, 128],
    [3, 2],
  ] as const) {
    const matrix = matrixOf(rows, columns, parityCoefficient);
    const inputs = Array.from({ length: columns }, (_, j) =>
      Uint8Array.from({ length: 1100 }, (_, x) => (x * 7 + j * 13) & 255),
    );
    const [fast, plain] = [0, 1].map(() => Array.from({ length: rows }, () => new Uint8Array(1100)));
    multiplyShards(matrix, inputs, fast as Uint8Array[]);
    multiplyShardsReference(matrix, inputs, plain as Uint8Array[]);
    assert.deepEqual(fast, plain);
  }
});

test('every square part of the parity matrix can be inverted', () => {
  const distinct = (max: number): fc.Arbitrary<number[]> =>
    fc.uniqueArray(fc.nat(max), { minLength: 12, maxLength: 12 });
  fc.assert(
    fc.property(distinct(99), distinct(MAX_SHARDS - 100), fc.integer({ min: 1, max: 12 }), (rows, columns, size) => {
      const square = matrixOf(size, size, (r, c) => parityCoefficient(rows[r] as number, columns[c] as number));
      const unit = matrixOf(size, size, (r, c) => Number(r === c));
      assert.deepEqual(matrixProduct(square, invertMatrix(square)), unit);
      assert.deepEqual(matrixProduct(invertMatrix(square), square), unit);
    }),
    { numRuns: 200 },
  );
});

test('invert handles a matrix when its pivots are zero', () => {
  const swap = { rows: 2, columns: 2, values: Uint8Array.of(0, 1, 1, 0) };
  assert.deepEqual(invertMatrix(swap), swap);
  assert.throws(() => invertMatrix({ rows: 2, columns: 2, values: Uint8Array.of(1, 1, 1, 1) }), /inverted/);
});
