/** The same as in package.json; a test compares them. */
export const VERSION = '0.1.0';

/** What snapshots say made them. */
export const PROGRAM = `varve ${VERSION}`;
