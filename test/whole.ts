// `npm run test:whole` runs every test in full. `npm test` runs a fixed share of the longest tests.

export const WHOLE = process.env.VARVE_TESTS === 'all';

/** Settings of fast-check: a few runs whose seed is fixed, or all runs of any seed. */
export const share = (few: number, all: number): { readonly numRuns: number; readonly seed?: number } =>
  WHOLE ? { numRuns: all } : { numRuns: few, seed: 1 };
