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
  const paths = setOf(backup.paths.map((path) => path.toString('hex')));
  const tags = setOf(backup.tags);
  return list.snapshots.findLast(({ snapshot }) => {
    if (by.host && snapshot.host !== backup.host) return false;
    if (by.paths && setOf(snapshot.paths.map((path) => path.toString('hex'))) !== paths) return false;
    if (by.tags && setOf(snapshot.tags) !== tags) return false;
    return backup.time === undefined || compareTimes(snapshot.time, backup.time) <= 0;
  });
}

const setOf = (texts: readonly string[]): string => JSON.stringify([...new Set(texts)].sort());
