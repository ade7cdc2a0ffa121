import { toHex } from '../../../bytes/hex.js';
import { VarveError } from '../../../errors/errors.js';
import type { PruneEvent } from '../../../prune/options.js';
import type { Repository } from '../../../repository/repository.js';
import { compressionFrom, packTarget } from '../../program/global-options.js';
import type { Context } from '../../program/shell.js';
import { type PruneFlags, parseGrace, parseRepackSize, parseSmallerThan, parseUnused } from './options.js';
import { PruneReport } from './report.js';

/**
 * Parses the options first, so that their mistakes show before the question for a password.
 *
 * @returns a function that prunes and returns the exit code. In a dry run, it counts the given ids of snapshots as forgotten.
 */
export function pruner(
  context: Context,
  flags: PruneFlags,
): (repository: Repository, without?: ReadonlySet<string>) => Promise<number> {
  const dryRun = flags.dryRun === true;
  if (flags.repackUncompressed === true && compressionFrom(context) === 'off')
    throw new VarveError('usage', '--repack-uncompressed and --compression off contradict each other');
  if (flags.repackUncompressed === true && flags.repackCacheableOnly === true)
    throw new VarveError('usage', '--repack-uncompressed and --repack-cacheable-only exclude each other');
  const target = packTarget(context.globals, context.environment);
  const options = {
    maxUnused: parseUnused(flags.maxUnused),
    maxRepack: parseRepackSize(flags.maxRepackSize),
    repackSmall: flags.repackSmall === true,
    repackSmallerThan: parseSmallerThan(flags.repackSmallerThan),
    repackTreesOnly: flags.repackCacheableOnly === true,
    repackUncompressed: flags.repackUncompressed === true,
    compression: compressionFrom(context),
    graceSeconds: parseGrace(flags.grace),
    dryRun,
    signal: context.signal,
    ...(target !== undefined && { packTarget: target }),
  };
  return async (repository, without) => {
    const { prune } = await import('../../../prune/prune.js');
    const report = new PruneReport(context, dryRun);
    const forgotten = without !== undefined && dryRun ? { without } : {};
    const recoverNoFreeSpace = isMeant(repository, flags.unsafeRecoverNoFreeSpace);
    const onEvent = (event: PruneEvent): void => report.event(event);
    const result = await prune(repository, { ...options, ...forgotten, recoverNoFreeSpace, onEvent });
    report.finish(result);
    return result.errors > 0 ? 1 : 0;
  };
}

/** Whether an unsafe option names this repository by its id. The id of another repository is a mistake. */
function isMeant({ config }: Repository, id: string | undefined): boolean {
  if (id === undefined) return false;
  const own = toHex(config.repository);
  if (id === own) return true;
  throw new VarveError('usage', `must pass id '${own}' to --unsafe-recover-no-free-space`);
}
