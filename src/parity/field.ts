/**
 * Arithmetic in GF(2^8), modulo x^8 + x^4 + x^3 + x^2 + 1 (SPEC.md section 9). Sums are exclusive ors.
 *
 * J. S. Plank, A Tutorial on Reed-Solomon Coding for Fault-Tolerance in RAID-like Systems, Software: Practice and Experience 27(9), 1997,
 * with the correction of 2003.
 */
const POLYNOMIAL = 0x11d;
/** Elements but 0. */
const ORDER = 255;

const exponents = new Uint8Array(2 * ORDER);
const logarithms = new Uint8Array(ORDER + 1);
for (let power = 0, value = 1; power < ORDER; power++) {
  exponents[power] = value;
  exponents[power + ORDER] = value;
  logarithms[value] = power;
  value = (value << 1) ^ (value & 0x80 ? POLYNOMIAL : 0);
}

export function product(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return exponents[(logarithms[a] as number) + (logarithms[b] as number)] as number;
}

/** 1 divided by a value that is not 0. */
export function inverse(a: number): number {
  return exponents[ORDER - (logarithms[a] as number)] as number;
}
