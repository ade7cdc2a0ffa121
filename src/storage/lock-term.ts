/** The share of the term beyond which a remaining lock is not extended. */
const ENOUGH = 3 / 4;
/** The share of the term below which a remaining lock shows that prune did not run. */
const LITTLE = 1 / 2;

/**
 * Whether a lock need not be extended now.
 *
 * @param until seconds since 1970, as `now`
 * @param term seconds for which new objects are locked
 */
export function isLongEnough(until: number, now: number, term: number): boolean {
  return until - now >= term * ENOUGH;
}

/** Whether to warn that the locks of data in use are not extended as often as they should be. */
export function isForgotten(until: number, now: number, term: number): boolean {
  return until - now < term * LITTLE;
}

/** The longest time between two prunes, in seconds, that keeps all data in use locked. */
export const longestPause = (term: number): number => term * (ENOUGH - LITTLE);
