// Options of `prune`, which `forget --prune` shares, and their values.
// prune/ gives them their meaning.
import type { Command } from 'commander';
import { VarveError } from '../../../errors/errors.js';
import { parseSize } from '../../../filesystem/filter.js';
import type { Unused } from '../../../prune/plan.js';
import { parseCalendarDuration, subtractCalendarDuration } from '../../../time/calendar-duration.js';
import { timeFromMillis } from '../../../time/time.js';

export interface PruneFlags {
  readonly maxUnused: string;
  readonly maxRepackSize?: string;
  readonly repackSmall?: boolean;
  readonly repackUncompressed?: boolean;
  readonly repackSmallerThan?: string;
  readonly repackCacheableOnly?: boolean;
  readonly grace: string;
  readonly dryRun?: boolean;
  /** Of `prune` alone: the repository's id. */
  readonly unsafeRecoverNoFreeSpace?: string;
}

export function addPruneOptions(command: Command): void {
  command
    .option('--max-unused <limit>', 'how much unneeded data may stay: 5%, 2G, unlimited', '5%')
    .option('--max-repack-size <size>', 'copy at most this much, such as 500M; the next prune continues')
    .option('--repack-small', 'merge small packs')
    .option('--repack-smaller-than <size>', 'merge packs smaller than this, such as 8M')
    .option('--repack-cacheable-only', 'copy only packs of trees, which caches keep, not packs of file contents')
    .option('--repack-uncompressed', 'compress uncompressed data where that saves space; needs a full key')
    .option('--grace <duration>', 'how long condemned packs stay before they are deleted: 12h, 1d, 2w, 0', '1d');
}

/** `5%`, `2G`, `unlimited`. */
export function parseUnused(text: string): Unused {
  if (text === 'unlimited') return { bytes: Number.POSITIVE_INFINITY };
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent === undefined) return { bytes: sizeOf(text, '--max-unused', '5%, 2G or unlimited') };
  const part = Number(percent) / 100;
  if (part >= 1) throw new VarveError('usage', `--max-unused: "${text}" must be less than 100%`);
  return { part };
}

/** Bytes; undefined when the option is missing. */
export function parseSmallerThan(text: string | undefined): number | undefined {
  return text === undefined ? undefined : sizeOf(text, '--repack-smaller-than', '8M');
}

export function parseRepackSize(text: string | undefined): number {
  return text === undefined ? Number.POSITIVE_INFINITY : sizeOf(text, '--max-repack-size', '500M or 2G');
}

/** Seconds of `12h`, `1d`, `2w`, `1d12h`; `0` for none. */
export function parseGrace(text: string): number {
  if (text === '0') return 0;
  const now = timeFromMillis(Date.now());
  return now.seconds - subtractCalendarDuration(now, parseCalendarDuration(text, '--grace')).seconds;
}

function sizeOf(text: string, option: string, example: string): number {
  try {
    return parseSize(text);
  } catch {
    throw new VarveError('usage', `${option}: "${text}" is not a size such as ${example}`);
  }
}
