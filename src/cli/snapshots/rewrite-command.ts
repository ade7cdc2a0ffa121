// The shared part of commands that make snapshots from snapshots.
// The change itself comes from the command; rewrite-report.ts prints.
import type { Command } from 'commander';
import type { Repository } from '../../repository/repository.js';
import type { RewriteEvent, RewriteOptions, RewriteResult } from '../../repository/rewriting/rewrite-snapshots.js';
import type { SnapshotList, StoredSnapshot } from '../../repository/snapshots/snapshots.js';
import { compressionFrom, packTarget } from '../program/global-options.js';
import type { Context } from '../program/shell.js';
import { openFromOptions } from '../repository/open.js';
import { RewriteReport } from './rewrite-report.js';
import {
  addSelectionOptions,
  chooseSnapshots,
  listedCode,
  readSnapshots,
  type SelectionOptions,
  selectionFilter,
} from './snapshot-selection.js';

export interface RewriteOptionFlags extends SelectionOptions {
  readonly forget?: boolean;
  readonly dryRun?: boolean;
}

/**
 * Options of commands that make new snapshots from old ones.
 *
 * @param which completes "only snapshots … are …"
 * @param forget describes --forget
 */
export function addRewriteOptions(command: Command, which: string, forget: string): Command {
  command
    .argument('[ids...]', 'only these snapshots: ids, prefixes of ids, or latest')
    .option('--forget', forget)
    .option('-n, --dry-run', 'change nothing, show what would be done');
  return addSelectionOptions(command, which);
}

type Settings = Pick<RewriteOptions, 'forget' | 'dryRun' | 'compression' | 'packTarget' | 'signal'>;

/**
 * Rewrites the chosen snapshots, and reports the result of each.
 *
 * @param operation as errors call it
 * @param rewrite does the work; it reports its events to `report`
 * @param removeFirst deals with some of the ids given, and returns the others
 * @returns the exit code
 */
export async function rewriteChosen(
  context: Context,
  ids: readonly string[],
  flags: RewriteOptionFlags,
  operation: string,
  rewrite: (
    repository: Repository,
    chosen: readonly StoredSnapshot[],
    settings: Settings,
    onEvent: (event: RewriteEvent) => void,
  ) => Promise<RewriteResult>,
  removeFirst: (repository: Repository, list: SnapshotList) => Promise<readonly string[]> = async () => ids,
): Promise<number> {
  const { output, signal, globals, environment } = context;
  const { forget = false, dryRun = false } = flags;
  const settings = {
    forget,
    dryRun,
    compression: compressionFrom(context),
    packTarget: packTarget(globals, environment),
    signal,
  };
  const repository = await openFromOptions(context);
  repository.keys.requireRole('manage', operation);
  const list = await readSnapshots(context, repository);
  const others = await removeFirst(repository, list);
  const none = ids.length > 0 && others.length === 0;
  const chosen = none ? [] : chooseSnapshots(list, others, selectionFilter(context, flags));
  const report = new RewriteReport(output, operation, { dryRun, forget });
  const result = await rewrite(repository, chosen, settings, (event) => report.event(event));
  return report.finish(result) || listedCode(list, ids);
}
