import { check } from '../../check/check.js';
import { warmUp } from '../../check/reading.js';
import { scrub } from '../../check/scrub.js';
import { ALL, parseSubset, type Subset } from '../../check/subset.js';
import { VarveError } from '../../errors/errors.js';
import { openFromOptions, placeOfRepository } from '../open.js';
import type { Context } from '../shell.js';
import { CheckReport } from './report.js';

export interface CheckFlags {
  readonly readData?: boolean;
  readonly readDataSubset?: string;
  readonly scrub?: boolean;
  readonly repair?: boolean;
}

export async function checkCommand(context: Context, flags: CheckFlags): Promise<number> {
  const readData = wantedSubset(flags);
  const { repair = false } = flags;
  const report = new CheckReport(context, repair);
  try {
    if (flags.scrub === true) report.finishScrub(await scrub(await placeOfRepository(context), report.options));
    else {
      const reads = readData !== undefined || repair;
      const repository = await openFromOptions(context, reads ? async () => warmUp() : undefined);
      report.finish(await check(repository, { ...report.options, readData }));
    }
    return report.errors > 0 ? 1 : 0;
  } catch (cause) {
    report.tellFindings();
    throw cause;
  } finally {
    report.stop();
  }
}

function wantedSubset({ readData, readDataSubset, scrub }: CheckFlags): Subset | undefined {
  if (readData === true && readDataSubset !== undefined)
    throw new VarveError('usage', '--read-data and --read-data-subset exclude each other');
  if (scrub === true && (readData === true || readDataSubset !== undefined))
    throw new VarveError('usage', '--scrub reads everything, and opens nothing: it cannot be given with --read-data');
  if (readDataSubset !== undefined) return parseSubset(readDataSubset);
  return readData === true ? ALL : undefined;
}
