import type { Command } from 'commander';
import { STATS_MODES, type Stats, stats } from '../../../browse/stats.js';
import { VarveError } from '../../../errors/errors.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import {
  addSelectionOptions,
  chooseSnapshots,
  listedCode,
  readIndex,
  readSnapshots,
  type SelectionOptions,
  selectionFilter,
} from '../../snapshots/snapshot-selection.js';
import type { Output } from '../../terminal/output.js';
import { ReadErrors } from '../../terminal/read-errors.js';
import { formatBytes, formatPercent } from '../../text/units.js';

interface Options extends SelectionOptions {
  readonly mode: string;
}

const DESCRIPTION = `Count the files and bytes of snapshots. Modes: restore-size counts what a restore of each snapshot would write; files-by-contents counts each
content once; blobs-per-file counts the blobs of each content; raw-data counts what the snapshots take in the repository.`;

const EXAMPLES = `
Examples:
  varve stats latest
  varve stats --mode raw-data

Exit codes: 0 counted; 1 failed, or a snapshot could not be read; 10 no repository; 12 wrong password.`;

export function define(command: Command, session: Session): void {
  command
    .description(DESCRIPTION)
    .argument('[ids...]', 'only these snapshots: ids, prefixes of ids, or latest')
    .addHelpText('after', EXAMPLES);
  command.option('--mode <mode>', STATS_MODES.join(', '), 'restore-size');
  addSelectionOptions(command, 'counted');
  run(command, session, count);
}

const count: Run<Options> = async (context, ids, options) => {
  const mode = STATS_MODES.find((each) => each === options.mode);
  if (mode === undefined)
    throw new VarveError('usage', `--mode: "${options.mode}" is not one of ${STATS_MODES.join(', ')}`);
  const opened = await openFromOptions(context);
  opened.keys.requireRole('manage', 'count files');
  const [repository, snapshots] = await Promise.all([readIndex(context, opened), readSnapshots(context, opened)]);
  const chosen = chooseSnapshots(snapshots, ids, selectionFilter(context, options));
  const { output } = context;
  output.message('scanning...');
  output.flush();
  const roots = chosen.map(({ snapshot }) => snapshot.root);
  const errors = new ReadErrors(output, 'stats');
  const onError = (error: VarveError): void => errors.report(error);
  const result = await stats(repository, roots, mode, { signal: context.signal, onError });
  if (output.json) output.object(statsJson(result, mode === 'raw-data'));
  else printStats(output, result, mode);
  return Math.max(errors.exitCode, listedCode(snapshots, ids));
};

function statsJson(result: Stats, raw: boolean): Record<string, unknown> {
  const { totalSize, totalFiles, totalBlobs, snapshots, totalUncompressed } = result;
  const counts = {
    total_size: totalSize,
    total_file_count: totalFiles,
    total_blob_count: totalBlobs,
    snapshots_count: snapshots,
  };
  if (!raw) return counts;
  return {
    ...counts,
    total_uncompressed_size: totalUncompressed,
    compression_ratio: totalSize === 0 ? 0 : totalUncompressed / totalSize,
    compression_progress: 100,
    compression_space_saving: totalUncompressed === 0 ? 0 : (1 - totalSize / totalUncompressed) * 100,
  };
}

function printStats(output: Output, result: Stats, mode: string): void {
  const raw = mode === 'raw-data';
  const { totalSize, totalFiles, totalBlobs, snapshots, totalUncompressed } = result;
  const rows: [string, string | false][] = [
    ['Snapshots processed', String(snapshots)],
    ['Total Blob Count', totalBlobs > 0 && String(totalBlobs)],
    ['Total File Count', !raw && String(totalFiles)],
    ['Total Uncompressed Size', raw && formatBytes(totalUncompressed)],
    ['Total Size', formatBytes(totalSize)],
    ['Compression Ratio', raw && totalSize > 0 && `${(totalUncompressed / totalSize).toFixed(2)}x`],
    [
      'Compression Space Saving',
      raw && totalSize > 0 && formatPercent(totalUncompressed - totalSize, totalUncompressed),
    ],
  ];
  output.print(`Stats in ${mode} mode:`);
  for (const [name, value] of rows) if (value !== false) output.print(`${name.padStart(24)}:  ${value}`);
}
