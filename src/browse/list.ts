import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import type { TreeReader } from '../repository/tree-reader.js';

/** An entry with its path. Valid until the next one is asked for. */
export interface Listed {
  /** In the snapshot, with a slash in front. */
  readonly path: Buffer;
  readonly entry: EntryReader;
}

export interface ListOptions {
  /** Whether what is in folders is listed, too, after each folder. */
  readonly recursive: boolean;
  readonly signal?: AbortSignal;
}

/** What is in a folder of a snapshot, in order of name. Memory is that of the folders on the way down, not of the tree. */
export async function* listTree(
  reader: TreeReader,
  content: ContentRef,
  path: Buffer,
  options: ListOptions,
): AsyncGenerator<Listed> {
  const open = [{ path, entries: reader.entries(content, path.toString()) }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    if (options.signal?.aborted === true) throw new VarveError('interrupted', 'interrupted');
    const { value: entry, done } = await top.entries.next();
    if (done === true) {
      open.pop();
      continue;
    }
    const child = joinPath(top.path, entry.name);
    const below = options.recursive && entry.type === 'directory' ? entry.content : undefined;
    yield { path: child, entry };
    if (below === undefined) continue;
    if (open.length >= MAX_DEPTH) throw new VarveError('damaged', `${child}: folders are nested too deeply`);
    open.push({ path: child, entries: reader.entries(below, child.toString()) });
  }
}
