// What earlier snapshots say to a backup: which one to compare with, and how much each source had.
import type { Buffer } from 'node:buffer';
import { isSuspect, type Snapshot, type SourceFigures } from '../format/snapshot.js';
import { compareTimes, type Time } from '../format/time.js';
import type { GroupBy } from '../repository/snapshots/snapshot-groups.js';
import type { SnapshotList, StoredSnapshot } from '../repository/snapshots/snapshots.js';

interface Backup {
  readonly host: string;
  readonly paths: readonly Buffer[];
  readonly tags: readonly string[];
  readonly time: Time | undefined;
}

/**
 * The snapshot that unchanged files are taken over from: the last one that agrees with the backup in what `by` says. One that is
 * suspect is taken only when no other is there.
 */
export function findParent(list: SnapshotList, backup: Backup, by: GroupBy): StoredSnapshot | undefined {
  const paths = new Set(backup.paths.map(asText));
  const tags = new Set(backup.tags);
  const isAlike = ({ snapshot }: StoredSnapshot): boolean => {
    if (by.host && snapshot.host !== backup.host) return false;
    if (by.paths && !areAll(snapshot.paths, paths, asText)) return false;
    if (by.tags && !areAll(snapshot.tags, tags, (tag) => tag)) return false;
    return isNotLater(snapshot, backup);
  };
  const good = list.snapshots.findLast((stored) => !isSuspect(stored.snapshot) && isAlike(stored));
  return good ?? list.snapshots.findLast(isAlike);
}

/** What the last snapshot of this host had of a source, unless it is suspect there. */
export function figuresBefore(
  { snapshots }: SnapshotList,
  backup: { readonly host: string; readonly time?: Time | undefined },
): (path: Buffer) => SourceFigures | undefined {
  const figures = new Map<string, SourceFigures>();
  for (const { snapshot } of snapshots) {
    const { host, paths, sources, suspect = [] } = snapshot;
    if (host !== backup.host || sources === undefined || !isNotLater(snapshot, backup)) continue;
    const suspects = new Set(suspect.map(asText));
    for (const [at, path] of paths.entries()) {
      const key = asText(path);
      if (!suspects.has(key)) figures.set(key, sources[at] as SourceFigures);
    }
  }
  return (path) => figures.get(asText(path));
}

function isNotLater({ time }: Snapshot, backup: { readonly time?: Time | undefined }): boolean {
  return backup.time === undefined || compareTimes(time, backup.time) <= 0;
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
