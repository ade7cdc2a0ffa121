// Groups of snapshots by host, paths and tags.
// What a group is for is left to the caller: a policy, or a listing.
import type { Buffer } from 'node:buffer';
import type { StoredSnapshot } from './snapshots.js';

/** What the snapshots of a group have in common. */
export interface GroupBy {
  readonly host: boolean;
  readonly paths: boolean;
  readonly tags: boolean;
}

/** The values that the snapshots of a group share; undefined where they are not grouped by it. */
export interface GroupKey {
  readonly host: string | undefined;
  /** Sorted by bytes. */
  readonly paths: readonly Buffer[] | undefined;
  /** Sorted by UTF-16 code units. */
  readonly tags: readonly string[] | undefined;
}

export interface Group {
  readonly key: GroupKey;
  readonly snapshots: readonly StoredSnapshot[];
}

/** Groups in order of their first snapshots. Snapshots keep their order in each group. */
export function groupSnapshots(snapshots: readonly StoredSnapshot[], by: GroupBy): Group[] {
  const groups = new Map<string, { key: GroupKey; snapshots: StoredSnapshot[] }>();
  for (const stored of snapshots) {
    const { host, paths, tags } = stored.snapshot;
    const key = {
      host: by.host ? host : undefined,
      paths: by.paths ? [...paths].sort((a, b) => a.compare(b)) : undefined,
      tags: by.tags ? [...tags].sort() : undefined,
    };
    const name = JSON.stringify([key.host, key.paths?.map((path) => path.toString('hex')), key.tags]);
    const group = groups.get(name) ?? { key, snapshots: [] };
    group.snapshots.push(stored);
    groups.set(name, group);
  }
  return [...groups.values()];
}
