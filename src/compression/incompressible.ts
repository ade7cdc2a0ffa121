const SAMPLES = 4;
const SAMPLE_BYTES = 1024;
/** Bits a byte. 4 KiB of random bytes show 7.95, program code about 6, text below 5. */
const THRESHOLD = 7.85;

const histogram = new Uint32Array(256);

/**
 * Whether the data looks random (encrypted, or compressed already): the order-0 entropy of four samples of 1 KiB.
 * Data under 4 KiB is never called so.
 */
export function looksIncompressible(data: Uint8Array): boolean {
  if (data.length < SAMPLES * SAMPLE_BYTES) return false;
  histogram.fill(0);
  const step = Math.floor((data.length - SAMPLE_BYTES) / (SAMPLES - 1));
  for (let sample = 0; sample < SAMPLES; sample++) {
    const start = sample * step;
    for (let i = start; i < start + SAMPLE_BYTES; i++) {
      const byte = data[i] as number;
      histogram[byte] = (histogram[byte] as number) + 1;
    }
  }
  return entropy(SAMPLES * SAMPLE_BYTES) > THRESHOLD;
}

function entropy(total: number): number {
  let bits = 0;
  for (const count of histogram) {
    if (count > 0) bits -= (count / total) * Math.log2(count / total);
  }
  return bits;
}
