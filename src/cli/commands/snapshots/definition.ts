import type { Command } from 'commander';
import { VarveError } from '../../../errors/errors.js';
import { groupSnapshots } from '../../../repository/snapshots/snapshot-groups.js';
import type { StoredSnapshot } from '../../../repository/snapshots/snapshots.js';
import { type Run, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { groupTitle, parseGroupBy, pathsAndTags } from '../../snapshots/snapshot-groups.js';
import { snapshotJson } from '../../snapshots/snapshot-json.js';
import {
  addSelectionOptions,
  chooseSnapshots,
  listedCode,
  readSnapshots,
  type SelectionOptions,
  selectionFilter,
} from '../../snapshots/snapshot-selection.js';

interface Options extends SelectionOptions {
  readonly groupBy?: string;
  readonly latest?: string;
  readonly last?: boolean;
  readonly compact?: boolean;
}

const DESCRIPTION = `List the snapshots of the repository, oldest first. An append key can list only the snapshots that it made on this machine.`;

const EXAMPLES = `
Examples:
  varve snapshots
  varve snapshots --host web1 --latest 3
  varve snapshots --json --group-by host,paths

Exit codes: 0 listed; 1 failed, or a snapshot could not be read; 10 no repository; 12 wrong password.`;

export function define(command: Command, session: Session): void {
  command.description(DESCRIPTION).argument('[ids...]', 'only these snapshots: ids, prefixes of ids, or latest');
  addSelectionOptions(command, 'listed')
    .option('-g, --group-by <what>', 'group by host, paths or tags (comma-separated)')
    .option('--latest <n>', 'only the last n snapshots of each host and set of paths')
    .option('--last', 'the same as --latest 1')
    .option('-c, --compact', 'one line per snapshot, without paths')
    .addHelpText('after', EXAMPLES);
  run(command, session, list);
}

const loadTable = () => import('../../snapshots/snapshot-table.js');

const list: Run<Options> = async (context, ids, options) => {
  const { output } = context;
  const groupBy = options.groupBy === undefined ? undefined : parseGroupBy(options.groupBy);
  const latest = options.last === true ? 1 : parseLatest(options.latest);
  const repository = await openFromOptions(context, loadTable);
  const all = await readSnapshots(context, repository);
  const chosen = chooseSnapshots(all, ids, selectionFilter(context, options));
  const shown = latest === undefined ? chosen : latestOfEach(chosen, latest);
  const grouped = groupBy === undefined ? undefined : groupSnapshots(shown, groupBy);
  const { printSnapshotTable } = await loadTable();
  const table = { compact: options.compact === true };
  if (output.json) {
    if (grouped === undefined) output.object(shown.map(snapshotJson));
    else
      output.object(
        grouped.map(({ key, snapshots }) => ({
          group_key: { hostname: key.host ?? '', ...pathsAndTags(key) },
          snapshots: snapshots.map(snapshotJson),
        })),
      );
  } else if (grouped === undefined) printSnapshotTable(output, shown, table);
  else {
    for (const { key, snapshots } of grouped) {
      output.prose(groupTitle(key));
      printSnapshotTable(output, snapshots, table);
    }
  }
  return listedCode(all, ids);
};

function parseLatest(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text) && Number(text) > 0) return Number(text);
  throw new VarveError('usage', `--latest: "${text}" is not a number above 0`);
}

function latestOfEach(snapshots: readonly StoredSnapshot[], count: number): StoredSnapshot[] {
  const groups = groupSnapshots(snapshots, { host: true, paths: true, tags: false });
  const kept = new Set(groups.flatMap((group) => group.snapshots.slice(-count)));
  return snapshots.filter((snapshot) => kept.has(snapshot));
}
