// Prints the plan and the result of a forget, in restic's text or JSON.
// command.ts decides what to remove.
import { type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import type { ForgetFailure, PlannedGroup } from '../../../retention/forget.js';
import { groupTitle, pathsAndTags } from '../../snapshots/snapshot-groups.js';
import { snapshotJson } from '../../snapshots/snapshot-json.js';
import { printSnapshotTable } from '../../snapshots/snapshot-table.js';
import type { Output } from '../../terminal/output.js';
import { counted } from '../../text/units.js';

/** Prints what is kept and why, and what is removed, oldest first. */
export function printGroups(output: Output, groups: readonly PlannedGroup[], compact: boolean): void {
  if (output.verbosity === 0) return;
  for (const { key, keep, remove } of groups) {
    output.prose(groupTitle(key));
    if (keep.length > 0) {
      const reasons = new Map(keep.map((kept) => [kept.stored, kept.reasons]));
      output.print(`keep ${counted(keep.length, 'snapshot')}:`);
      printSnapshotTable(output, [...reasons.keys()].reverse(), {
        compact,
        reasonsOf: (stored) => reasons.get(stored) ?? [],
      });
      output.print();
    }
    if (remove.length > 0) {
      output.print(`remove ${counted(remove.length, 'snapshot')}:`);
      printSnapshotTable(output, remove.toReversed(), { compact });
      output.print();
    }
  }
}

/** Says which snapshots a policy leaves alone. */
export function reportDoubts(output: Output, snapshots: readonly StoredSnapshot[]): void {
  for (const doubt of ['foreign', 'ahead'] as const) {
    const left = snapshots.filter((stored) => stored.doubt === doubt);
    if (left.length === 0) continue;
    const why =
      doubt === 'foreign' ? 'their keys are not for their hosts' : 'they say that they were made in the future';
    const ids = left.map(({ id }) => shortId(id)).join(' ');
    output.message(`not counted, as ${why}: ${counted(left.length, 'snapshot')}: ${ids}`);
  }
}

/** The groups as in restic's `forget --json`, newest first. */
export function groupsJson(groups: readonly PlannedGroup[]): unknown[] {
  return groups.map(({ key, keep, remove }) => {
    const { paths, tags } = pathsAndTags(key);
    return {
      tags,
      host: key.host ?? '',
      paths,
      keep: keep.map(({ stored }) => snapshotJson(stored)),
      remove: remove.map(snapshotJson),
      reasons: keep.map(({ stored, reasons }) => ({ snapshot: snapshotJson(stored), matches: reasons })),
    };
  });
}

export function reportRemoval(output: Output, removed: readonly StoredSnapshot[], dryRun: boolean): void {
  const ids = removed.map(({ id }) => shortId(id)).join(' ');
  if (removed.length === 0) output.message('no snapshots were removed');
  else if (dryRun) output.message(`Would have removed the following snapshots:\n{${ids}}`);
  else output.message(`removed ${counted(removed.length, 'snapshot')}: ${ids}`);
}

export function reportFailures(output: Output, failures: readonly ForgetFailure[]): void {
  for (const { stored, error } of failures) {
    const message = `snapshot ${shortId(stored.id)} could not be removed: ${error.message}`;
    if (output.json)
      output.errorObject({ message_type: 'error', error: { message }, during: 'forget', item: stored.id });
    else output.error(`error: ${message}`);
  }
}
