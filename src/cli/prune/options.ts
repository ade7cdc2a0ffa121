import type { Command } from 'commander';
import { VarveError } from '../../errors/errors.js';
import { parseSize } from '../../filesystem/filter.js';
import type { Unused } from '../../prune/plan.js';

export interface PruneFlags {
  readonly maxUnused: string;
  readonly maxRepackSize?: string;
  readonly repackSmall?: boolean;
  readonly grace: string;
  readonly dryRun?: boolean;
}

const SECONDS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 24 * 3600, w: 7 * 24 * 3600 };

export function addPruneOptions(command: Command): void {
  command
    .option('--max-unused <limit>', 'how much that is not needed may stay: 5%, 2G, unlimited', '5%')
    .option('--max-repack-size <size>', 'copy no more than this, such as 500M; the next prune goes on')
    .option('--repack-small', 'put small packs together')
    .option('--grace <duration>', 'how long condemned packs stay: 12h, 1d, 2w, 0', '1d');
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

export function parseRepackSize(text: string | undefined): number {
  return text === undefined ? Number.POSITIVE_INFINITY : sizeOf(text, '--max-repack-size', '500M or 2G');
}

/** Seconds of `12h`, `1d`, `2w`, `1d12h`; `0` for none. */
export function parseGrace(text: string): number {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+)([mhdw])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text)
    throw new VarveError('usage', `--grace: "${text}" is no duration such as 12h, 1d or 2w`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (SECONDS[unit as string] as number), 0);
}

function sizeOf(text: string, option: string, example: string): number {
  try {
    return parseSize(text);
  } catch {
    throw new VarveError('usage', `${option}: "${text}" is no size such as ${example}`);
  }
}
