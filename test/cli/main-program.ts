import { fileURLToPath } from 'node:url';

/** The command line's program. */
export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
