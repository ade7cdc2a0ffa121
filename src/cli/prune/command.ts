import { VarveError } from '../../errors/errors.js';
import type { Repository } from '../../repository/repository.js';
import { compressionFrom, packTarget } from '../global-options.js';
import type { Context } from '../shell.js';
import { type PruneFlags, parseGrace, parseRepackSize, parseUnused } from './options.js';
import { PruneReport } from './report.js';

/**
 * Reads the options now, so that a mistake in them is told before a password is asked for.
 *
 * @returns what prunes; given ids of snapshots, a dry run counts those as forgotten. It returns the exit code
 */
export function pruner(
  context: Context,
  flags: PruneFlags,
): (repository: Repository, without?: ReadonlySet<string>) => Promise<number> {
  const dryRun = flags.dryRun === true;
  if (flags.repackUncompressed === true && compressionFrom(context) === 'off')
    throw new VarveError('usage', '--repack-uncompressed and --compression off contradict each other');
  const target = packTarget(context.globals, context.environment);
  const options = {
    maxUnused: parseUnused(flags.maxUnused),
    maxRepack: parseRepackSize(flags.maxRepackSize),
    repackSmall: flags.repackSmall === true,
    repackUncompressed: flags.repackUncompressed === true,
    compression: compressionFrom(context),
    graceSeconds: parseGrace(flags.grace),
    dryRun,
    signal: context.signal,
    ...(target !== undefined && { packTarget: target }),
  };
  return async (repository, without) => {
    const { prune } = await import('../../prune/prune.js');
    const report = new PruneReport(context, dryRun);
    const told = without !== undefined && dryRun ? { without } : {};
    const result = await prune(repository, { ...options, ...told, onEvent: (event) => report.event(event) });
    report.finish(result);
    return result.errors > 0 ? 1 : 0;
  };
}
