import type { Command } from 'commander';
import { type Change, type DiffCounts, type Differences, diff } from '../../../browse/diff.js';
import { VarveError } from '../../../errors/errors.js';
import { TreeReader } from '../../../repository/reading/tree-reader.js';
import { shortId } from '../../../repository/snapshots/snapshots.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { pathJson } from '../../snapshots/node-json.js';
import { type Chosen, chooseOne, readIndex, readSnapshots } from '../../snapshots/snapshot-selection.js';
import type { Output } from '../../terminal/output.js';
import { ReadErrors } from '../../terminal/read-errors.js';
import { printable } from '../../text/escape.js';
import { formatBytes } from '../../text/units.js';

interface Options {
  readonly metadata?: boolean;
}

const DESCRIPTION = `Show the changes from one snapshot to another, or between directories in them, and the blobs that these changes add and remove.`;

const EXAMPLES = `
The first character of each line:
  +  added
  -  removed
  M  modified: a file has other content, or a link another target
  M? only the content changed, not even a time: the disk may be failing
  U  with --metadata: owner, mode, times or attributes changed
  T  type changed; for a directory, its contents are listed too

Examples:
  varve diff 1a2b3c4d latest
  varve diff --metadata 1a2b3c4d:/etc 5e6f7a8b:/etc

Exit codes: 0 compared, whether or not they differ; 1 failed, or could not read everything; 10 no repository; 12 wrong
password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).addHelpText('after', EXAMPLES);
  command
    .argument('[snapshot[:subdirectory]]', 'latest, an id, or a prefix of an id')
    .argument('[snapshot[:subdirectory]]', 'the snapshot to compare it with');
  command.option('--metadata', 'also show changes of metadata only');
  run(command, session, compare);
}

const compare: Run<Options> = async (context, [first, second, ...more], { metadata }) => {
  if (first === undefined || second === undefined || more.length > 0)
    throw new VarveError('usage', 'diff needs two snapshots, for example: varve diff 1a2b3c4d latest');
  const opened = await openFromOptions(context);
  opened.keys.requireRole('manage', 'compare snapshots');
  const [repository, snapshots] = await Promise.all([readIndex(context, opened), readSnapshots(context, opened)]);
  const [before, after] = [chooseOne(snapshots, first, {}), chooseOne(snapshots, second, {})];
  const reader = new TreeReader(repository, { signal: context.signal });
  const directory = ({ stored, subdirectory }: Chosen) => reader.directory(stored.snapshot.root, subdirectory);
  const [from, to] = [await directory(before), await directory(after)];
  const { output, signal } = context;
  output.message(`comparing snapshot ${shortId(before.stored.id)} to ${shortId(after.stored.id)}:\n`);
  const errors = new ReadErrors(output, 'diff');
  const differences = await diff(repository, from, to, {
    metadata: metadata ?? false,
    onChange: (change) => printChange(output, change),
    onError: (error) => errors.report(error),
    signal,
  });
  if (output.json) output.object(statisticsJson(before, after, differences));
  else printStatistics(output, differences);
  return errors.exitCode;
};

function printChange(output: Output, { path, modifier }: Change): void {
  if (output.json) output.print(`{"message_type":"change",${pathJson(path)},"modifier":"${modifier}"}`);
  else output.print(modifier.padEnd(5) + printable(path));
}

function statisticsJson(before: Chosen, after: Chosen, { changedFiles, added, removed }: Differences): object {
  const counts = ({ files, dirs, others, dataBlobs, treeBlobs, bytes }: DiffCounts): object => ({
    files,
    dirs,
    others,
    data_blobs: dataBlobs,
    tree_blobs: treeBlobs,
    bytes,
  });
  return {
    message_type: 'statistics',
    source_snapshot: before.stored.id,
    target_snapshot: after.stored.id,
    changed_files: changedFiles,
    added: counts(added),
    removed: counts(removed),
  };
}

function printStatistics(output: Output, { changedFiles, added, removed }: Differences): void {
  const row = (name: string, count: (counts: DiffCounts) => number): string =>
    `${`${name}:`.padEnd(12)} ${String(count(added)).padStart(5)} new, ${String(count(removed)).padStart(5)} removed`;
  output.print();
  output.print(`${row('Files', ({ files }) => files)}, ${String(changedFiles).padStart(5)} changed`);
  output.print(row('Dirs', ({ dirs }) => dirs));
  output.print(row('Others', ({ others }) => others));
  output.print(row('Data Blobs', ({ dataBlobs }) => dataBlobs));
  output.print(row('Tree Blobs', ({ treeBlobs }) => treeBlobs));
  output.print(`  Added:   ${formatBytes(added.bytes)}`);
  output.print(`  Removed: ${formatBytes(removed.bytes)}`);
}
