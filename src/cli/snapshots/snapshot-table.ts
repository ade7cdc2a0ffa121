// Snapshots as a table for people.
// snapshot-json.ts has the form for programs.
import { isSuspect } from '../../format/snapshot.js';
import { type StoredSnapshot, shortId } from '../../repository/snapshots/snapshots.js';
import type { Output } from '../terminal/output.js';
import { printable } from '../text/escape.js';
import { Table } from '../text/table.js';
import { localTime } from '../text/time.js';
import { counted, formatBytes } from '../text/units.js';

export interface TableOptions {
  /** A line each, without paths. */
  readonly compact: boolean;
  /** Adds a column that says why each is kept. */
  readonly reasonsOf?: ((stored: StoredSnapshot) => readonly string[]) | undefined;
}

/** Prints snapshots as a table, in their order. */
export function printSnapshotTable(
  output: Output,
  snapshots: readonly StoredSnapshot[],
  { compact, reasonsOf }: TableOptions,
): void {
  const heads = ['ID', 'Time', 'Host', 'Tags'];
  const showsSigners = new Set(snapshots.map(({ slot }) => slot)).size > 1;
  if (showsSigners) heads.push('Signer');
  if (reasonsOf !== undefined) heads.push('Reasons');
  if (!compact) heads.push('Paths');
  heads.push('Size');
  const table = new Table(heads, [heads.length - 1]);
  const cell = (lines: readonly string[], separator: string) => (compact ? lines.join(separator) : lines);
  for (const stored of snapshots) {
    const { time, host, tags, paths, summary } = stored.snapshot;
    const size = summary === undefined ? '' : formatBytes(summary.total_bytes_processed);
    const reasons = reasonsOf === undefined ? [] : [cell(reasonsOf(stored).map(printable), ', ')];
    const cells = [shortId(stored.id), localTime(time), printable(host), cell(tags.map(printable), ',')];
    const signer = showsSigners ? [printable(stored.label)] : [];
    table.add(...cells, ...signer, ...reasons, ...(compact ? [] : [paths.map(printable)]), size);
  }
  for (const line of table.lines(counted(snapshots.length, 'snapshot'), output.width)) output.print(line);
  for (const { id, snapshot, label, doubt } of snapshots) {
    if (doubt === 'foreign')
      output.print(
        `snapshot ${shortId(id)} is foreign: the key of ${printable(label)} is not for the host ${printable(snapshot.host)}`,
      );
    if (doubt === 'ahead')
      output.print(`snapshot ${shortId(id)} is in the future: its time is more than a day from now`);
    if (!isSuspect(snapshot)) continue;
    const paths = (snapshot.suspect ?? []).map(printable).join(', ');
    output.print(`snapshot ${shortId(id)} is suspect: ${paths} should hold more`);
  }
}
