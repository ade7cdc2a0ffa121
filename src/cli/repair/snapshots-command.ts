import { type Loss, repairSnapshots } from '../../repair/repair-snapshots.js';
import { shortId } from '../../repository/snapshots.js';
import { compressionFrom, packTarget } from '../global-options.js';
import { openFromOptions } from '../open.js';
import type { Output } from '../output.js';
import { RemakeReport } from '../remake-report.js';
import type { Context } from '../shell.js';
import { chooseSnapshots, readSnapshots, type SelectionOptions, selectionFilter } from '../snapshot-selection.js';
import { lossyText, printable } from '../text/escape.js';

export interface RepairSnapshotsFlags extends SelectionOptions {
  readonly forget?: boolean;
  readonly dryRun?: boolean;
}

export async function repairSnapshotsCommand(
  context: Context,
  ids: readonly string[],
  flags: RepairSnapshotsFlags,
): Promise<number> {
  const { output, signal } = context;
  const { forget = false, dryRun = false } = flags;
  const target = packTarget(context.globals, context.environment);
  const compression = compressionFrom(context);
  const repository = await openFromOptions(context);
  repository.keys.requireRole('manage', 'repair snapshots');
  const chosen = chooseSnapshots(await readSnapshots(context, repository), ids, selectionFilter(context, flags));
  const report = new RemakeReport(output, 'repair snapshots', { dryRun, forget });
  const result = await repairSnapshots(repository, chosen, {
    forget,
    dryRun,
    compression,
    packTarget: target,
    signal,
    onEvent: (event) => {
      if (event.kind === 'lost') tellLoss(output, event);
      else report.tell(event);
    },
  });
  return report.finish(result);
}

const WHAT: Readonly<Record<Loss['what'], string>> = {
  file: 'the file is left out',
  folder: 'the folder has only what can be read of it',
  attributes: 'its attributes and ACLs are left out',
};

function tellLoss(output: Output, { what, stored, path, reason }: Loss): void {
  if (output.json)
    output.object({ message_type: 'lost', snapshot: stored.id, item: lossyText(path), type: what, reason });
  else output.print(`snapshot ${shortId(stored.id)}: ${printable(path)}: ${WHAT[what]}: ${reason}`);
}
