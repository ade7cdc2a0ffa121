/**
 * Seconds between the time that a condemnation states and the moment from which on everybody sees it, at most: an operation that began before
 * that may not know of it.
 */
export const MARGIN_SECONDS = 15 * 60;
