// The work of `copy`: opens both repositories and copies the chosen snapshots.
// report.ts prints; the copy itself is in copy/.
import { copySnapshots } from '../../../copy/copy.js';
import { compressionFrom, packTarget } from '../../program/global-options.js';
import type { Context } from '../../program/shell.js';
import { type FromFlags, openSource, targetContext } from '../../repository/from-repository.js';
import { openFromOptions } from '../../repository/open.js';
import {
  chooseSnapshots,
  listedCode,
  readIndex,
  readSnapshots,
  type SelectionOptions,
  selectionFilter,
  warnOfIndex,
} from '../../snapshots/snapshot-selection.js';
import { CopyReport } from './report.js';

export interface CopyFlags extends FromFlags, SelectionOptions {}

export async function copyCommand(context: Context, ids: readonly string[], flags: CopyFlags): Promise<number> {
  const target = packTarget(context.globals, context.environment);
  const compression = compressionFrom(context);
  const filter = selectionFilter(context, flags);
  const source = await openSource(context, flags);
  source.keys.requireRole('full', 'copy from this repository');
  const repository = await openFromOptions(targetContext(context));
  const all = await readSnapshots(context, source);
  const chosen = chooseSnapshots(all, ids, filter);
  const report = new CopyReport(context);
  try {
    const result = await copySnapshots(
      await readIndex(context, source),
      repository,
      { all: all.snapshots, chosen },
      {
        compression,
        packTarget: target,
        signal: context.signal,
        onEvent: (event) => report.event(event),
        onIndexDamage: (error) => warnOfIndex(context, error),
        onProgress: (progress) => report.progress(progress),
      },
    );
    return report.finish(result) || listedCode(all, ids);
  } finally {
    report.stop();
  }
}
