import { VarveError } from '../errors/errors.js';
import type { StoredSnapshot } from '../repository/snapshots.js';
import { lossyText } from './text/escape.js';

/** By what snapshots belong together. */
export interface GroupBy {
  readonly host: boolean;
  readonly paths: boolean;
  readonly tags: boolean;
}

/** As in restic's JSON; null (for the host: empty) for what is not grouped by. */
export interface GroupKey {
  readonly hostname: string;
  readonly paths: readonly string[] | null;
  readonly tags: readonly string[] | null;
}

export interface Group {
  readonly key: GroupKey;
  readonly snapshots: readonly StoredSnapshot[];
}

const NAMES = { host: 'host', hosts: 'host', path: 'paths', paths: 'paths', tag: 'tags', tags: 'tags' } as const;

/** `host,paths,tags`, or any of them, or nothing. */
export function parseGroupBy(text: string): GroupBy {
  const chosen = { host: false, paths: false, tags: false };
  for (const word of text.split(',')) {
    if (word === '') continue;
    if (!Object.hasOwn(NAMES, word))
      throw new VarveError('usage', `--group-by: "${word}" is none of host, paths, tags`);
    chosen[NAMES[word as keyof typeof NAMES]] = true;
  }
  return chosen;
}

/** Groups in order of their first snapshot; in each the snapshots keep their order. */
export function groupSnapshots(snapshots: readonly StoredSnapshot[], by: GroupBy): Group[] {
  const groups = new Map<string, { key: GroupKey; snapshots: StoredSnapshot[] }>();
  for (const stored of snapshots) {
    const { host, paths, tags } = stored.snapshot;
    const exact = [
      by.host ? host : '',
      by.paths ? paths.map((path) => path.toString('hex')).sort() : null,
      by.tags ? [...tags].sort() : null,
    ];
    const key = {
      hostname: by.host ? host : '',
      paths: by.paths ? paths.map(lossyText).sort() : null,
      tags: by.tags ? [...tags].sort() : null,
    };
    const name = JSON.stringify(exact);
    const group = groups.get(name) ?? { key, snapshots: [] };
    group.snapshots.push(stored);
    groups.set(name, group);
  }
  return [...groups.values()];
}
