import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BUILD = new URL('../../', import.meta.url);

const changed = (path: string): number => statSync(new URL(path, BUILD)).mtimeMs;

/** The bundle is what users run. After `tsc` alone it is out of date. */
export function isBundled(): boolean {
  return existsSync(new URL('varve.cjs', BUILD)) && changed('varve.cjs') >= changed('.tsbuildinfo');
}

/** The command line's program. */
export const MAIN = fileURLToPath(new URL(isBundled() ? 'varve.cjs' : 'src/cli/main.js', BUILD));
