// Compression modes and their zstd parameters.
// zstd.ts compresses.
import { VarveError } from '../errors/errors.js';
import type { ZstdParameters } from './engine.js';

/** restic's names for how hard to compress. */
export type Compression = 'auto' | 'off' | 'fastest' | 'better' | 'max';

/** `auto` is level 1 with a wider window and a larger table: as small as level 2, 15 % faster (docs/benchmarks.md). */
const PARAMETERS: Record<Exclude<Compression, 'off'>, ZstdParameters> = {
  fastest: { level: 1 },
  auto: { level: 1, windowLog: 21, hashLog: 16, minMatch: 7 },
  better: { level: 7 },
  max: { level: 19 },
};

export const COMPRESSIONS: readonly Compression[] = ['auto', 'off', 'fastest', 'better', 'max'];

export function parseCompression(text: string): Compression {
  const found = COMPRESSIONS.find((each) => each === text);
  if (found === undefined) {
    throw new VarveError('usage', `unknown compression "${text}": use one of ${COMPRESSIONS.join(', ')}`);
  }
  return found;
}

/** zstd's parameters, or undefined for `off`. */
export function compressionParameters(compression: Compression): ZstdParameters | undefined {
  return compression === 'off' ? undefined : PARAMETERS[compression];
}
