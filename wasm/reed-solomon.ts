// A matrix over GF(2^8) times columns of bytes, as SPEC.md section 9 defines the field. The loader is src/parity/multiplier.ts.
//
// A byte is multiplied by a constant as the sum of the products of its two halves, each looked up among 16 by one
// instruction for 16 bytes (Plank, Greenan and Miller, Screaming Fast Galois Field Arithmetic Using Intel SIMD
// Instructions, FAST 2013). Two rows at a time share the halves, two vectors at a time share the tables, and sums
// stay in registers over all columns.

/** Address of the products: for each coefficient, row by row, 16 of the lower half and 16 of the upper. */
export const TABLES: u32 = 1024;

const HALF: v128 = i8x16.splat(15);

/**
 * For each row r, output r becomes the sum over the columns c of coefficient (r, c) times input c. Inputs and outputs lie
 * one after another, `width` bytes each, a multiple of 32.
 */
export function multiply(rows: u32, columns: u32, width: u32, inputs: u32, outputs: u32): void {
  const row = columns << 5;
  let r: u32 = 0;
  let tables = TABLES;
  for (; r + 2 <= rows; r += 2) {
    for (let x: u32 = 0; x < width; x += 32) two(tables, row, columns, width, inputs + x, outputs + r * width + x);
    tables += row << 1;
  }
  if (r < rows)
    for (let x: u32 = 0; x < width; x += 32) one(tables, columns, width, inputs + x, outputs + r * width + x);
}

function two(tables: usize, row: usize, columns: u32, width: u32, input: usize, output: usize): void {
  let a0 = i8x16.splat(0);
  let a1 = i8x16.splat(0);
  let b0 = i8x16.splat(0);
  let b1 = i8x16.splat(0);
  for (let c: u32 = 0; c < columns; c++) {
    const v0 = v128.load(input);
    const v1 = v128.load(input, 16);
    const low0 = v128.and(v0, HALF);
    const low1 = v128.and(v1, HALF);
    const high0 = v128.and(i16x8.shr_u(v0, 4), HALF);
    const high1 = v128.and(i16x8.shr_u(v1, 4), HALF);
    const al = v128.load(tables);
    const ah = v128.load(tables, 16);
    a0 = v128.xor(a0, v128.xor(i8x16.swizzle(al, low0), i8x16.swizzle(ah, high0)));
    a1 = v128.xor(a1, v128.xor(i8x16.swizzle(al, low1), i8x16.swizzle(ah, high1)));
    const bl = v128.load(tables + row);
    const bh = v128.load(tables + row, 16);
    b0 = v128.xor(b0, v128.xor(i8x16.swizzle(bl, low0), i8x16.swizzle(bh, high0)));
    b1 = v128.xor(b1, v128.xor(i8x16.swizzle(bl, low1), i8x16.swizzle(bh, high1)));
    input += width;
    tables += 32;
  }
  v128.store(output, a0);
  v128.store(output, a1, 16);
  v128.store(output + width, b0);
  v128.store(output + width, b1, 16);
}

function one(tables: usize, columns: u32, width: u32, input: usize, output: usize): void {
  let a0 = i8x16.splat(0);
  let a1 = i8x16.splat(0);
  for (let c: u32 = 0; c < columns; c++) {
    const v0 = v128.load(input);
    const v1 = v128.load(input, 16);
    const al = v128.load(tables);
    const ah = v128.load(tables, 16);
    const shifted0 = v128.and(i16x8.shr_u(v0, 4), HALF);
    const shifted1 = v128.and(i16x8.shr_u(v1, 4), HALF);
    a0 = v128.xor(a0, v128.xor(i8x16.swizzle(al, v128.and(v0, HALF)), i8x16.swizzle(ah, shifted0)));
    a1 = v128.xor(a1, v128.xor(i8x16.swizzle(al, v128.and(v1, HALF)), i8x16.swizzle(ah, shifted1)));
    input += width;
    tables += 32;
  }
  v128.store(output, a0);
  v128.store(output, a1, 16);
}
