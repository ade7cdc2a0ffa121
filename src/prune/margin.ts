/**
 * Seconds from the time of a condemnation until every new operation sees it, at most. An operation that began earlier may not know of it.
 */
export const MARGIN_SECONDS = 15 * 60;
