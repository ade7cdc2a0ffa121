// Chooses snapshots by ids, filters and time, and reads them and the index with warnings.
// repository/snapshots/ lists and matches.
import type { Command } from 'commander';
import { normalize } from '../../backup/sources.js';
import { VarveError } from '../../errors/errors.js';
import type { IndexedRepository } from '../../repository/index/index-store.js';
import type { Repository } from '../../repository/repository.js';
import {
  findSnapshot,
  listSnapshots,
  matchesFilter,
  type SnapshotFilter,
  type SnapshotList,
  type StoredSnapshot,
  splitTags,
} from '../../repository/snapshots/snapshots.js';
import { pathBytes, workingDirectory } from '../program/arguments.js';
import type { Context } from '../program/shell.js';
import { requireWorkingDirectory } from '../repository/working-directory.js';
import { PAST_TIME, parsePastTime } from '../text/past-time.js';

/** Options that say which snapshots are meant. */
export interface SelectionOptions {
  readonly host?: readonly string[];
  readonly tag?: readonly string[];
  readonly path?: readonly string[];
  readonly signer?: readonly string[];
  /** Of commands with `addTimeOption`. */
  readonly time?: string;
}

/** Adds one to what an option was given before. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** The tags of lists joined by commas, each once. */
export function tagsFrom(lists: readonly string[] = []): string[] {
  return [...new Set(lists.flatMap(splitTags).filter((tag) => tag !== ''))];
}

/**
 * @param which completes "only snapshots …"
 * @param hostFlags for a command whose `-H` means something else
 */
export function addSelectionOptions(command: Command, which = 'considered', hostFlags = '-H, --host <host>'): Command {
  return command
    .option(hostFlags, `only snapshots of this host are ${which} (repeatable)`, collect)
    .option(
      '--tag <tags>',
      'only snapshots with all of these comma-separated tags (repeatable: any of the lists)',
      collect,
    )
    .option('--path <path>', 'only snapshots that include this path (repeatable: all of the paths)', collect)
    .option(
      '--signer <key>',
      "only snapshots that this key signed: the beginning of its slot's id, or user@host (repeatable: any of the keys)",
      collect,
    );
}

export function addTimeOption(command: Command): Command {
  return command.option('--time <time>', `use the latest snapshot that is at least this old; ${PAST_TIME}`);
}

export function selectionFilter(context: Context, options: SelectionOptions): SnapshotFilter {
  const { host, tag = [], path = [], signer = [], time } = options;
  const hosts = host ?? (context.environment.VARVE_HOST ? [context.environment.VARVE_HOST] : []);
  const directory = workingDirectory();
  path.forEach(requireWorkingDirectory);
  return {
    hosts: hosts.filter((each) => each !== ''),
    tags: tag,
    paths: path.map((each) => normalize(pathBytes(each), directory)),
    signers: signer.filter((each) => each !== ''),
    ...(time !== undefined && { until: parsePastTime(time, '--time') }),
  };
}

/** All snapshots, oldest first; a warning on standard error names each that cannot be opened. */
export async function readSnapshots(context: Context, repository: Repository): Promise<SnapshotList> {
  const list = await listSnapshots(repository);
  for (const { error } of list.failures) context.output.warn(`a snapshot is skipped: ${error.message}`);
  return list;
}

/** Reads the index; warns of damaged parts, because the rest may be enough. */
export async function readIndex(context: Context, repository: Repository): Promise<IndexedRepository> {
  const { loadIndex } = await import('../../repository/index/index-store.js');
  const onDamage = ({ message }: VarveError): void =>
    context.output.warn(`a part of the index cannot be used, so blobs that only it lists are missing: ${message}`);
  return loadIndex(repository, { onDamage });
}

/** Warns of a damaged part of the index that a writer ignores. */
export function warnOfIndex({ output }: Context, { message }: VarveError): void {
  output.warn(
    `a part of the index cannot be used, so blobs that only it lists are stored again: ${message}; \`varve repair index\` rebuilds the index, and prune refuses to run until then`,
  );
}

/** Those that the ids name, or without ids all that the filter leaves. */
export function chooseSnapshots(
  list: SnapshotList,
  ids: readonly string[],
  filter: SnapshotFilter,
): readonly StoredSnapshot[] {
  const { snapshots } = list;
  if (ids.length === 0) return snapshots.filter((stored) => matchesFilter(stored, filter));
  const wanted = new Set(ids.map((id) => findSnapshot(list, id, filter).id));
  return snapshots.filter(({ id }) => wanted.has(id));
}

/** The exit code of a command that is done with these snapshots: 1 when it was to take all, and some could not be opened. */
export function listedCode({ failures }: SnapshotList, ids: readonly string[]): number {
  return ids.length === 0 && failures.length > 0 ? 1 : 0;
}

/** What `SNAPSHOT[:SUBDIRECTORY]` names. */
export interface Chosen {
  readonly stored: StoredSnapshot;
  /** Names of the subdirectory's path; none for the whole snapshot. */
  readonly subdirectory: readonly Buffer[];
}

export function chooseOne(snapshots: SnapshotList, text: string, filter: SnapshotFilter): Chosen {
  const colon = text.indexOf(':');
  const id = colon < 0 ? text : text.slice(0, colon);
  const subdirectory = colon < 0 ? [] : pathNames(text.slice(colon + 1));
  if (filter.until !== undefined && id !== 'latest')
    throw new VarveError('usage', `--time selects what \`latest\` means: it cannot be used with the snapshot ${id}`);
  return { stored: findSnapshot(snapshots, id, filter), subdirectory };
}

/** The names that a path in a snapshot is made of. */
export function pathNames(path: string): Buffer[] {
  const names: Buffer[] = [];
  for (const name of normalize(pathBytes(path), Buffer.from('/')).toString('latin1').split('/')) {
    if (name !== '') names.push(Buffer.from(name, 'latin1'));
  }
  return names;
}

/** The snapshot that a command needs first; with --time it goes without saying. */
export function requiredSnapshot(args: readonly string[], { time }: SelectionOptions = {}): string {
  const first = args[0] ?? (time === undefined ? undefined : 'latest');
  if (first === undefined)
    throw new VarveError('usage', 'the snapshot is missing: `latest`, or an id that `varve snapshots` lists');
  return first;
}
