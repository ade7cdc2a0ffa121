// The work of `check`: chooses check or scrub and returns the exit code.
// report.ts prints; the check itself is in check/.
import { check } from '../../../check/check.js';
import type { CheckOptions } from '../../../check/options.js';
import { prewarm } from '../../../check/reading.js';
import { scrub } from '../../../check/scrub.js';
import { ALL, parseSubset, type Subset } from '../../../check/subset.js';
import { VarveError } from '../../../errors/errors.js';
import { matchesFilter } from '../../../repository/snapshots/snapshots.js';
import type { Context } from '../../program/shell.js';
import { openFromOptions, storeOfRepository } from '../../repository/open.js';
import { type SelectionOptions, selectionFilter } from '../../snapshots/snapshot-selection.js';
import { CheckReport } from './report.js';

export interface CheckFlags extends SelectionOptions {
  readonly readData?: boolean;
  readonly readDataSubset?: string;
  readonly scrub?: boolean;
  readonly repair?: boolean;
}

export async function checkCommand(context: Context, flags: CheckFlags): Promise<number> {
  const readData = wantedSubset(flags);
  const { repair = false } = flags;
  const isWanted = selectorFrom(context, flags);
  const report = new CheckReport(context, repair);
  try {
    if (flags.scrub === true) report.finishScrub(await scrub(await storeOfRepository(context), report.options));
    else {
      const reads = readData !== undefined || repair;
      const repository = await openFromOptions(context, reads ? async () => prewarm() : undefined);
      report.finish(await check(repository, { ...report.options, readData, isWanted }));
      if (isWanted !== undefined) context.output.message('only the selected snapshots were checked');
    }
    return report.errors > 0 ? 1 : 0;
  } catch (cause) {
    report.printFindings();
    throw cause;
  } finally {
    report.stop();
  }
}

/** Selects the snapshots to check; undefined for all. */
function selectorFrom(context: Context, flags: CheckFlags): CheckOptions['isWanted'] {
  const filter = selectionFilter(context, flags);
  if ([filter.hosts, filter.tags, filter.paths, filter.signers].every((each = []) => each.length === 0))
    return undefined;
  if (flags.scrub === true || flags.repair === true)
    throw new VarveError(
      'usage',
      '--scrub and --repair check all objects: they cannot be used with --host, --tag, --path and --signer',
    );
  return (signed) => matchesFilter(signed, filter);
}

function wantedSubset({ readData, readDataSubset, scrub }: CheckFlags): Subset | undefined {
  if (readData === true && readDataSubset !== undefined)
    throw new VarveError('usage', '--read-data and --read-data-subset exclude each other');
  if (scrub === true && (readData === true || readDataSubset !== undefined))
    throw new VarveError('usage', '--scrub reads everything without a key: it cannot be used with --read-data');
  if (readDataSubset !== undefined) return parseSubset(readDataSubset);
  return readData === true ? ALL : undefined;
}
