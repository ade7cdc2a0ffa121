import type { Buffer } from 'node:buffer';
import type { StoredSnapshot } from './snapshots.js';

/** By what snapshots belong together. */
export interface GroupBy {
  readonly host: boolean;
  readonly paths: boolean;
  readonly tags: boolean;
}

/** What the snapshots of a group have in common; undefined is what is not grouped by. */
export interface GroupKey {
  readonly host: string | undefined;
  /** In ascending byte order, as `tags` are in that of their characters. */
  readonly paths: readonly Buffer[] | undefined;
  readonly tags: readonly string[] | undefined;
}

export interface Group {
  readonly key: GroupKey;
  readonly snapshots: readonly StoredSnapshot[];
}

/** Groups in order of their first snapshot; in each the snapshots keep their order. */
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
