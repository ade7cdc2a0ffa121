// The Cauchy matrix of the parity, and inverting parts of it.
// multiplier.ts multiplies shards with it.
import { VarveError } from '../errors/errors.js';
import { inverse, product } from './field.js';

/** A matrix over GF(2^8), row by row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Uint8Array;
}

/** The largest number of data and parity shards together: of more, a Cauchy matrix over 256 values would repeat itself. */
export const MAX_SHARDS = 255;

/** How parity shard i depends on data shard j: 1 / ((255 − i) + j). Of a Cauchy matrix every square part can be inverted. */
export function parityCoefficient(i: number, j: number): number {
  return inverse((MAX_SHARDS - i) ^ j);
}

export function matrixOf(rows: number, columns: number, value: (row: number, column: number) => number): Matrix {
  const values = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) values[row * columns + column] = value(row, column);
  return { rows, columns, values };
}

export function at({ columns, values }: Matrix, row: number, column: number): number {
  return values[row * columns + column] as number;
}

export function matrixProduct(a: Matrix, b: Matrix): Matrix {
  return matrixOf(a.rows, b.columns, (row, column) => {
    let sum = 0;
    for (let middle = 0; middle < a.columns; middle++) sum ^= product(at(a, row, middle), at(b, middle, column));
    return sum;
  });
}

/** By Gauss and Jordan, on the matrix with the unit matrix at its side. */
export function invertMatrix(square: Matrix): Matrix {
  const size = square.rows;
  const wide = matrixOf(size, 2 * size, (row, column) =>
    column < size ? at(square, row, column) : Number(column - size === row),
  );
  for (let column = 0; column < size; column++) {
    let pivot = column;
    while (pivot < size && at(wide, pivot, column) === 0) pivot++;
    if (pivot === size) throw new VarveError('internal', 'a matrix that cannot be inverted');
    swapRows(wide, pivot, column);
    scaleRow(wide, column, inverse(at(wide, column, column)));
    for (let row = 0; row < size; row++) if (row !== column) addRow(wide, row, column, at(wide, row, column));
  }
  return matrixOf(size, size, (row, column) => at(wide, row, column + size));
}

function rowOf({ columns, values }: Matrix, row: number): Uint8Array {
  return values.subarray(row * columns, (row + 1) * columns);
}

function swapRows(matrix: Matrix, one: number, other: number): void {
  const kept = rowOf(matrix, one).slice();
  rowOf(matrix, one).set(rowOf(matrix, other));
  rowOf(matrix, other).set(kept);
}

function scaleRow(matrix: Matrix, row: number, factor: number): void {
  const values = rowOf(matrix, row);
  for (let column = 0; column < values.length; column++) values[column] = product(values[column] as number, factor);
}

function addRow(matrix: Matrix, to: number, from: number, factor: number): void {
  const [target, source] = [rowOf(matrix, to), rowOf(matrix, from)];
  for (let column = 0; column < target.length; column++)
    target[column] = (target[column] as number) ^ product(source[column] as number, factor);
}
