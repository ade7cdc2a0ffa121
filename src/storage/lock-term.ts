/** Of the term for which objects are locked: what stays locked for longer is not locked anew. */
const ENOUGH = 3 / 4;
/** What has less left has been forgotten. */
const LITTLE = 1 / 2;

/**
 * Whether what is locked until then need not be locked anew now.
 *
 * @param until seconds since 1970, as `now`
 * @param term seconds for which what is put is locked
 */
export function isLongEnough(until: number, now: number, term: number): boolean {
  return until - now >= term * ENOUGH;
}

/** Whether somebody must be told: what is in use is not locked anew as often as it should be. */
export function isForgotten(until: number, now: number, term: number): boolean {
  return until - now < term * LITTLE;
}

/** Seconds that may lie between two prunes, so that nothing in use is ever forgotten. */
export const longestPause = (term: number): number => term * (ENOUGH - LITTLE);
