// --group-by, and titles of groups.
// repository/snapshots/ forms the groups.
import { VarveError } from '../../errors/errors.js';
import type { GroupBy, GroupKey } from '../../repository/snapshots/snapshot-groups.js';
import { lossyText, printable } from '../text/escape.js';

const NAMES = { host: 'host', hosts: 'host', path: 'paths', paths: 'paths', tag: 'tags', tags: 'tags' } as const;

/** `host,paths,tags`, or any of them, or nothing. */
export function parseGroupBy(text: string): GroupBy {
  const chosen = { host: false, paths: false, tags: false };
  for (const word of text.split(',')) {
    if (word === '') continue;
    if (!Object.hasOwn(NAMES, word))
      throw new VarveError('usage', `--group-by: "${word}" is not one of host, paths, tags`);
    chosen[NAMES[word as keyof typeof NAMES]] = true;
  }
  return chosen;
}

/** Paths and tags as in restic's JSON: null for what the groups ignore. */
export function pathsAndTags({ paths, tags }: GroupKey): { paths: string[] | null; tags: readonly string[] | null } {
  return { paths: paths?.map(lossyText) ?? null, tags: tags ?? null };
}

/** `snapshots for (host [web1], paths [/etc]):` */
export function groupTitle({ host, paths, tags }: GroupKey): string {
  const parts: string[] = [];
  if (host !== undefined) parts.push(`host [${printable(host)}]`);
  if (tags !== undefined) parts.push(`tags [${tags.map(printable).join(', ')}]`);
  if (paths !== undefined) parts.push(`paths [${paths.map(printable).join(', ')}]`);
  return parts.length === 0 ? 'snapshots:' : `snapshots for (${parts.join(', ')}):`;
}
