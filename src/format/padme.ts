/**
 * The smallest Padmé length that holds `length` bytes (SPEC.md section 9; Nikitin et al., PETS 2019): at most 12 % more,
 * 3 % for lengths of a pack, and only O(log log n) bits of the length can be seen.
 */
export function padmeLength(length: number): number {
  if (length < 2) return length;
  const exponent = Math.floor(Math.log2(length));
  const bits = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** Math.max(0, exponent - bits);
  return Math.ceil(length / step) * step;
}

export function isPadmeLength(length: number): boolean {
  return padmeLength(length) === length;
}
