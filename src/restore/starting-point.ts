import type { Buffer } from 'node:buffer';
import type { ContentRef } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';
import type { RestoreOptions } from './options.js';

/**
 * The directory at which the restore of a path starts: the path itself, or the directory of a file.
 *
 * @param root the snapshot's root directory
 * @param names the path's components; none for the whole snapshot
 * @throws VarveError `not-found`
 */
export async function startingPoint(
  trees: Pick<TreeReader, 'find'>,
  root: ContentRef,
  names: readonly Buffer[],
): Promise<Pick<RestoreOptions, 'root' | 'directory' | 'only'>> {
  if (names.length === 0) return { root };
  const entry = await trees.find(root, names);
  if (entry.type === 'directory' && entry.content !== undefined) return { root: entry.content, directory: entry };
  const above = names.slice(0, -1);
  const parent: Entry | undefined = above.length === 0 ? undefined : await trees.find(root, above);
  return { root: parent?.content ?? root, only: entry.name };
}
