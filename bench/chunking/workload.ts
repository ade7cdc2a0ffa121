/** Files in several states, one state after another. */
export interface Workload {
  readonly name: string;
  /** A description for the page of results. */
  readonly about: string;
  /** Paths of the files of all states. */
  readonly files: readonly string[];
}

/** mulberry32: a small generator of uniform numbers 0 ≤ x < 1, the same on every machine. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
