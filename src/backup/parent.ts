// What a backup needs of earlier snapshots: the one to compare with, and how much each source held.
// Deciding which sources are suspect is in suspects.ts.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { isSuspect, type Snapshot, type SourceFigures } from '../format/snapshot.js';
import type { GroupBy } from '../repository/snapshots/snapshot-groups.js';
import { type SnapshotList, type StoredSnapshot, shortId } from '../repository/snapshots/snapshots.js';
import { compareTimes, type Time } from '../time/time.js';

interface Backup {
  readonly host: string;
  readonly paths: readonly Buffer[];
  readonly tags: readonly string[];
  readonly time: Time | undefined;
}

/**
 * Finds the snapshot to compare files with: the last one with the same host, paths and tags, as far as `by` asks for them.
 * A suspect snapshot is chosen only when there is no other.
 *
 * @param own hex id of the slot that makes the backup
 */
export function findParent(list: SnapshotList, backup: Backup, by: GroupBy, own: string): StoredSnapshot | undefined {
  const paths = new Set(backup.paths.map(asText));
  const tags = new Set(backup.tags);
  const matches = (stored: StoredSnapshot): boolean => {
    const { snapshot } = stored;
    if (!maySpeakFor(stored, own)) return false;
    if (by.host && snapshot.host !== backup.host) return false;
    if (by.paths && !coversExactly(snapshot.paths, paths, asText)) return false;
    if (by.tags && !coversExactly(snapshot.tags, tags, (tag) => tag)) return false;
    return isNotLater(snapshot, backup);
  };
  const good = list.snapshots.findLast((stored) => !isSuspect(stored.snapshot) && matches(stored));
  return good ?? list.snapshots.findLast(matches);
}

/** Whether a backup may take files as unchanged because a snapshot says so: its own slot signed it, or a manage or full key. */
function maySpeakFor({ slot, role, doubt }: StoredSnapshot, own: string): boolean {
  return doubt === undefined && (slot === own || role !== 'append');
}

/** @throws VarveError `usage` when a snapshot must not be the parent of this slot's backup */
export function requireParent(stored: StoredSnapshot, own: string): StoredSnapshot {
  if (maySpeakFor(stored, own)) return stored;
  const { id, label, doubt } = stored;
  const why =
    doubt === 'ahead'
      ? 'its time is in the future'
      : doubt === 'foreign'
        ? `its key (${label}) is not for its host`
        : `another append key signed it (${label})`;
  throw new VarveError(
    'usage',
    `snapshot ${shortId(id)} cannot be the parent: ${why}; leave out --parent, or name another`,
  );
}

/** The figures of a source in the last snapshot of this host in which it is not suspect. */
export function figuresBefore(
  { snapshots }: SnapshotList,
  backup: { readonly host: string; readonly time?: Time | undefined },
  own: string,
): (path: Buffer) => SourceFigures | undefined {
  const figures = new Map<string, SourceFigures>();
  for (const stored of snapshots) {
    const { snapshot } = stored;
    if (!maySpeakFor(stored, own)) continue;
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

/** Whether the items are exactly those of the set, duplicates aside. */
function coversExactly<Item>(
  items: readonly Item[],
  wanted: ReadonlySet<string>,
  textOf: (item: Item) => string,
): boolean {
  const found = new Set<string>();
  for (const item of items) {
    const text = textOf(item);
    if (!wanted.has(text)) return false;
    found.add(text);
  }
  return found.size === wanted.size;
}
