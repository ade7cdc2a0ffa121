import { type ChunkSizes, masks } from '../../src/chunking/parameters.js';

/**
 * What `Chunker.cut` does, in plain TypeScript: the end of the first chunk of data[start…end−1], or 0 when there is
 * none, or when it takes more data to tell. Slow: tests compare the WebAssembly module with it.
 *
 * The fingerprint is two unsigned 32-bit halves. The masks lie in the upper one, as no average exceeds 2^26.
 */
export function cutReference(
  gear: BigUint64Array,
  sizes: ChunkSizes,
  data: Uint8Array,
  start: number,
  end: number,
  final: boolean,
): number {
  const available = end - start;
  if (available < sizes.max && !final) return 0;
  if (available <= sizes.min) return available === 0 ? 0 : end;
  return start + chunkLength(halves(gear), sizes, data.subarray(start, start + Math.min(available, sizes.max)));
}

/** Low halves in 0…255, high halves in 256…511. */
function halves(gear: BigUint64Array): Uint32Array {
  const words = new Uint32Array(512);
  gear.forEach((word, i) => {
    words[i] = Number(word & 0xffff_ffffn);
    words[256 + i] = Number(word >> 32n);
  });
  return words;
}

/** Length of the chunk at the head of data, which is longer than min and not longer than max. */
function chunkLength(gear: Uint32Array, sizes: ChunkSizes, data: Uint8Array): number {
  const { strict, loose } = masks(sizes.average);
  const strictHigh = Number(strict >> 32n);
  const looseHigh = Number(loose >> 32n);
  const middle = Math.min(sizes.average, data.length);

  let low = 0;
  let high = 0;
  for (let i = sizes.min - (sizes.min % 2); i + 1 < data.length; i += 2) {
    const mask = i < middle ? strictHigh : looseHigh;

    // fp ← (fp << 2) + (G[d[i]] << 1)
    const first = data[i] as number;
    const firstLow = gear[first] as number;
    const firstHigh = gear[256 + first] as number;
    let sum = ((low << 2) >>> 0) + ((firstLow << 1) >>> 0);
    high = ((high << 2) | (low >>> 30)) + ((firstHigh << 1) | (firstLow >>> 31)) + carry(sum);
    low = sum >>> 0;
    if ((high & (mask << 1)) === 0) return i;

    // fp ← fp + G[d[i+1]]
    const second = data[i + 1] as number;
    sum = low + (gear[second] as number);
    high = (high + (gear[256 + second] as number) + carry(sum)) | 0;
    low = sum >>> 0;
    if ((high & mask) === 0) return i + 1;
  }
  return data.length;
}

function carry(sum: number): number {
  return sum > 0xffff_ffff ? 1 : 0;
}
