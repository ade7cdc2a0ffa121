import type { Buffer } from 'node:buffer';
import { compareTimes, type Time } from '../../format/time.js';
import { findSnapshot, type SnapshotList, type StoredSnapshot } from '../../repository/snapshots.js';
import { parseGroupBy } from '../snapshot-groups.js';
import type { BackupFlags } from './options.js';

interface Backup {
  readonly host: string;
  readonly paths: readonly Buffer[];
  readonly tags: readonly string[];
  readonly time: Time | undefined;
}

/** The snapshot that unchanged files are taken over from: the one asked for, or the last that has the same host and paths. */
export function findParent(list: SnapshotList, backup: Backup, flags: BackupFlags): StoredSnapshot | undefined {
  if (flags.force === true) return undefined;
  if (flags.parent !== undefined) return findSnapshot(list, flags.parent);
  const by = parseGroupBy(flags.groupBy);
  const paths = new Set(backup.paths.map(asText));
  const tags = new Set(backup.tags);
  return list.snapshots.findLast(({ snapshot }) => {
    if (by.host && snapshot.host !== backup.host) return false;
    if (by.paths && !areAll(snapshot.paths, paths, asText)) return false;
    if (by.tags && !areAll(snapshot.tags, tags, (tag) => tag)) return false;
    return backup.time === undefined || compareTimes(snapshot.time, backup.time) <= 0;
  });
}

const asText = (path: Buffer): string => path.toString('latin1');

/** Whether the items are those of the set, each at least once. */
function areAll<Item>(items: readonly Item[], wanted: ReadonlySet<string>, textOf: (item: Item) => string): boolean {
  const found = new Set<string>();
  for (const item of items) {
    const text = textOf(item);
    if (!wanted.has(text)) return false;
    found.add(text);
  }
  return found.size === wanted.size;
}
