// The version of the package.
// Printing it is left to the command line.

/** The version of package.json; a test compares them. */
export const VERSION = '0.1.0';

/** The program version that snapshots record. */
export const PROGRAM = `varve ${VERSION}`;
