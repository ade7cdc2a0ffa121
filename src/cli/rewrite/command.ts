import { VarveError } from '../../errors/errors.js';
import { type PatternFlags, patternsFrom } from '../backup/options.js';
import { compressionFrom, packTarget } from '../global-options.js';
import { openFromOptions } from '../open.js';
import { RemakeReport } from '../remake-report.js';
import type { Context } from '../shell.js';
import { chooseSnapshots, readSnapshots, type SelectionOptions, selectionFilter } from '../snapshot-selection.js';
import { printable } from '../text/escape.js';
import { parseTimeOption } from '../text/time.js';

export interface RewriteFlags extends SelectionOptions, PatternFlags {
  readonly forget?: boolean;
  readonly dryRun?: boolean;
  readonly newHost?: string;
  readonly newTime?: string;
  readonly snapshotSummary?: boolean;
}

export async function rewriteCommand(context: Context, ids: readonly string[], flags: RewriteFlags): Promise<number> {
  const { output, signal } = context;
  const { forget = false, dryRun = false, newHost, snapshotSummary: summary = false } = flags;
  const patterns = patternsFrom(context, flags);
  const newTime = flags.newTime === undefined ? undefined : parseTimeOption(flags.newTime, '--new-time');
  const excludes = patterns.excludes.length + patterns.iexcludes.length;
  if (excludes === 0 && newHost === undefined && newTime === undefined && !summary)
    throw new VarveError(
      'usage',
      'nothing to do: say what to leave out with --exclude, or give --new-host, --new-time or --snapshot-summary',
    );
  const { rewriteSnapshots } = await import('../../copy/rewrite.js');
  const target = packTarget(context.globals, context.environment);
  const compression = compressionFrom(context);
  const repository = await openFromOptions(context);
  repository.keys.requireRole('manage', 'rewrite snapshots');
  const chosen = chooseSnapshots(await readSnapshots(context, repository), ids, selectionFilter(context, flags));
  const report = new RemakeReport(output, 'rewrite', { dryRun, forget });
  const result = await rewriteSnapshots(repository, chosen, {
    ...patterns,
    newHost,
    newTime,
    summary,
    forget,
    dryRun,
    compression,
    packTarget: target,
    signal,
    onEvent: (event) => {
      if (event.kind === 'excluded') output.message(`excluding ${printable(event.path)}`, 2);
      else report.tell(event);
    },
  });
  return report.finish(result);
}
