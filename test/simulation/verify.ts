import type { ContentRef } from '../../src/format/content.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { contentOf, type Files } from './source.js';

/** The expected snapshots and their files. */
export interface Expected {
  /** The files of each snapshot, by the hex of its root's ids. */
  readonly contents: ReadonlyMap<string, Files>;
  /** Snapshots that must be listed. */
  readonly promised: ReadonlySet<string>;
  /** Snapshots that no writer has reported, and that may be incomplete. */
  readonly unsure: ReadonlySet<string>;
}

export const rootName = ({ ids }: ContentRef): string => ids.toString('hex');

/**
 * Restores every listed snapshot.
 *
 * @returns the unreported snapshots that are incomplete
 * @throws unless every promised snapshot is listed, and every listed one holds the files that were backed up
 */
export async function verify(repository: Repository, expected: Expected): Promise<readonly string[]> {
  const { contents, promised, unsure } = expected;
  const { snapshots, failures } = await listSnapshots(repository);
  if (failures[0] !== undefined) throw failures[0].error;
  const listed = new Set(snapshots.map(({ id }) => id));
  for (const id of promised) if (!listed.has(id)) throw new Error(`snapshots/${id} is gone`);
  const trees = new TreeReader(await loadIndex(repository));
  const read = new Set<string>();
  const broken: string[] = [];
  for (const { id, snapshot } of snapshots) {
    const root = rootName(snapshot.root);
    if (read.has(root)) continue;
    read.add(root);
    const found = await readDirectory(trees, snapshot.root, '').catch((cause) => {
      if (unsure.has(id) && !promised.has(id)) return undefined;
      throw new Error(`snapshots/${id} cannot be restored: ${cause.message}`, { cause });
    });
    if (found === undefined) {
      broken.push(id);
      read.delete(root);
      continue;
    }
    const files = contents.get(root);
    const wanted = [...(files ?? [])].map(([path, number]) => `${path}: ${contentOf(number)}`);
    if (files === undefined || found.sort().join('\n') !== wanted.sort().join('\n'))
      throw new Error(`snapshots/${id} holds something else than was backed up`);
  }
  return broken;
}

async function readDirectory(trees: TreeReader, content: ContentRef, above: string): Promise<string[]> {
  const entries = [];
  for await (const entry of trees.entries(content, above)) entries.push(entry.entry());
  const found: string[] = [];
  for (const entry of entries) {
    const path = `${above}${entry.name}`;
    if (entry.type === 'directory')
      found.push(...(await readDirectory(trees, entry.content as ContentRef, `${path}/`)));
    else for await (const bytes of trees.file(entry, path)) found.push(`${path}: ${bytes}`);
  }
  return found;
}
