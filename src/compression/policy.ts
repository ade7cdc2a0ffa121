import { VarveError } from '../errors/errors.js';

/** restic's names for how hard to compress. */
export type Compression = 'auto' | 'off' | 'fastest' | 'better' | 'max';

/** zstd levels; `auto` is chosen by measurement (docs/benchmarks.md). */
const LEVELS: Record<Exclude<Compression, 'off'>, number> = { auto: 2, fastest: 1, better: 7, max: 19 };

export const COMPRESSIONS: readonly Compression[] = ['auto', 'off', 'fastest', 'better', 'max'];

export function parseCompression(text: string): Compression {
  const found = COMPRESSIONS.find((each) => each === text);
  if (found === undefined) {
    throw new VarveError('usage', `unknown compression "${text}": use one of ${COMPRESSIONS.join(', ')}`);
  }
  return found;
}

/** The zstd level, or undefined for `off`. */
export function compressionLevel(compression: Compression): number | undefined {
  return compression === 'off' ? undefined : LEVELS[compression];
}
