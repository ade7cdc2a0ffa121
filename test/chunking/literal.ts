import { createHmac } from 'node:crypto';

const U64 = (1n << 64n) - 1n;

/** The ends of all chunks of a stream, computed as the words of SPEC.md section 8 have it and by nothing else. */
export function literalEnds(gear: Uint8Array, [min, average, max]: readonly number[], data: Uint8Array): number[] {
  const table: bigint[] = [];
  for (let i = 0; i <= 255; i++) {
    const digest = createHmac('sha256', gear)
      .update(Buffer.from('varve/1/gear'))
      .update(Buffer.from([i]))
      .digest();
    let word = 0n;
    for (let k = 7; k >= 0; k--) word = (word << 8n) | BigInt(digest[k] as number);
    table.push(word);
  }
  const ends: number[] = [];
  let start = 0;
  while (start < data.length) {
    start += literalLength(table, min as number, average as number, max as number, data.subarray(start));
    ends.push(start);
  }
  return ends;
}

function literalLength(G: bigint[], min: number, average: number, max: number, d: Uint8Array): number {
  let b = 0;
  while (2 ** b < average) b++;
  const maskS = ones(b + 1);
  const maskL = ones(Math.max(1, b - 1));
  let n = d.length;
  if (n <= min) return n;
  n = Math.min(n, max);
  const m = Math.min(average, n);
  let fp = 0n;
  for (let i = Math.floor(min / 2) * 2; i + 1 < n; i += 2) {
    const mask = i < m ? maskS : maskL;
    const doubled = (G[d[i] as number] as bigint) << 1n;
    fp = ((fp << 2n) + (doubled & U64)) & U64;
    if ((fp & (mask << 1n)) === 0n) return i;
    fp = (fp + (G[d[i + 1] as number] as bigint)) & U64;
    if ((fp & mask) === 0n) return i + 1;
  }
  return n;
}

function ones(count: number): bigint {
  let mask = 0n;
  for (let bit = 62; bit > 62 - count; bit--) mask |= 1n << BigInt(bit);
  return mask;
}
