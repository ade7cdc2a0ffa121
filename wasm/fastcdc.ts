// FastCDC as SPEC.md section 8 defines it, in AssemblyScript. The loader is src/chunking/chunker.ts.
//
// The fingerprint is kept doubled (F = 2·fp mod 2^64). The masks are one bits from bit 62 downwards, so on F they reach
// from bit 63 downwards, and "F & (mask << 1) = 0" is the same as "F is less than the mask's lowest bit, doubled":
// one comparison, alike for both bytes of a step. Bit 63 of fp is lost, which no mask looks at and no shift brings back.
//
// Two bytes of F are F·4 + 4·G[first] + 2·G[second]; what does not depend on F is added up outside the chain of
// dependent instructions, which is why there are two tables. Measured, this and the unrolling give half as much again.

/** Address of 256 times u64 2·G[i]. */
export const TABLE: u32 = 0;
/** Address of the window that holds the data; 256 times u64 4·G[i] lie 2,048 bytes after TABLE. */
export const DATA: u32 = 4096;

let min: u32 = 0;
let average: u32 = 0;
let max: u32 = 0;
let strict: u64 = 0;
let loose: u64 = 0;

// State between the two scans of a chunk: the doubled fingerprint.
let fingerprint: u64 = 0;

/** Sets the chunk sizes in bytes; the caller has checked them. */
export function configure(minSize: u32, averageSize: u32, maxSize: u32): void {
  const bits = ctz<u32>(averageSize);
  min = minSize;
  average = averageSize;
  max = maxSize;
  strict = (<u64>1) << (63 - bits);
  loose = (<u64>1) << (65 - bits);
}

/**
 * The end of the first chunk of the bytes start…end−1 of the window, as an offset in the window. 0 when there is none:
 * no bytes at all, or too few to decide and more to come (last = false).
 */
export function cut(start: u32, end: u32, last: bool): u32 {
  let n = end - start;
  if (n < max && !last) return 0;
  if (n <= min) return n === 0 ? 0 : end;
  n = n < max ? n : max;
  const even = n & ~1;
  const from = min & ~1;
  // The average is a power of two, so it never falls within a step.
  let change = average;
  if (change > even) change = even;

  const base = DATA + start;
  fingerprint = 0;
  let hit = scan(base + from, base + change, strict);
  if (hit === 0) hit = scan(base + change, base + even, loose);
  return hit === 0 ? start + n : <u32>hit - DATA;
}

/** 2·G of a byte. */
function twice(byte: u8): u64 {
  return load<u64>((<usize>byte) << 3);
}

/** 4·G of a byte. */
function fourfold(byte: u8): u64 {
  return load<u64>((<usize>byte) << 3, 2048);
}

/** Address of the first byte p…end−1 whose fingerprint is less than the bound, or 0. end − p is even. */
function scan(p: usize, end: usize, bound: u64): usize {
  let f = fingerprint;
  for (; p + 8 <= end; p += 8) {
    if ((f << 1) + twice(load<u8>(p)) < bound) return p;
    f = (f << 2) + (fourfold(load<u8>(p)) + twice(load<u8>(p, 1)));
    if (f < bound) return p + 1;
    if ((f << 1) + twice(load<u8>(p, 2)) < bound) return p + 2;
    f = (f << 2) + (fourfold(load<u8>(p, 2)) + twice(load<u8>(p, 3)));
    if (f < bound) return p + 3;
    if ((f << 1) + twice(load<u8>(p, 4)) < bound) return p + 4;
    f = (f << 2) + (fourfold(load<u8>(p, 4)) + twice(load<u8>(p, 5)));
    if (f < bound) return p + 5;
    if ((f << 1) + twice(load<u8>(p, 6)) < bound) return p + 6;
    f = (f << 2) + (fourfold(load<u8>(p, 6)) + twice(load<u8>(p, 7)));
    if (f < bound) return p + 7;
  }
  for (; p < end; p += 2) {
    if ((f << 1) + twice(load<u8>(p)) < bound) return p;
    f = (f << 2) + (fourfold(load<u8>(p)) + twice(load<u8>(p, 1)));
    if (f < bound) return p + 1;
  }
  fingerprint = f;
  return 0;
}
