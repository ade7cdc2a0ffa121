// Integers of 64 bits as the kernel and MessagePack have them: a number where that is exact, else a bigint.
// Each value has one form, so two of them are equal when they are `===`.

/** A bigint only beyond ±(2^53 − 1). */
export type Int64 = number | bigint;

const TWO_32 = 0x1_0000_0000;

export function int64(value: bigint): Int64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** @param high the upper 32 bits, negative in a signed integer that is */
export function int64Of(high: number, low: number): Int64 {
  const number = high * TWO_32 + low;
  return Number.isSafeInteger(number) ? number : BigInt(high) * BigInt(TWO_32) + BigInt(low);
}
