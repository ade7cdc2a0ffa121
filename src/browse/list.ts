// Lists directories of snapshots.
// Formatting of entries is left to the caller.

import type { Buffer } from 'node:buffer';
import { endsAll, throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';

/** An entry with its path. Valid until the next entry is read. */
export interface ListedEntry {
  /** The path in the snapshot, with a slash at its beginning. */
  readonly path: Buffer;
  readonly entry: EntryReader;
}

export interface ListOptions {
  /** Whether to list what is in directories, after each directory. */
  readonly recursive: boolean;
  readonly signal?: AbortSignal;
  /** Called with each entry that cannot be read. Without it, the error is thrown after the directory's last entry. */
  readonly onBad?: (error: VarveError) => void;
  /** Called when the rest of a directory cannot be read. Without it, the error is thrown. */
  readonly onBroken?: (error: VarveError) => void;
}

/** Lists a directory of a snapshot in order of name. Holds only the open directories in memory, not the tree. */
export async function* listTree(
  reader: TreeReader,
  content: ContentRef,
  path: Buffer,
  options: ListOptions,
): AsyncGenerator<ListedEntry> {
  const { onBad } = options;
  const entriesOf = (directory: ContentRef, at: Buffer): AsyncGenerator<EntryReader> =>
    reader.entries(directory, at.toString(), onBad && (({ error }) => onBad(error)));
  const open = [{ path, entries: entriesOf(content, path) }];
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    throwIfInterrupted(options.signal);
    const entry = await nextOf(top.entries, options);
    if (entry === undefined) {
      open.pop();
      continue;
    }
    const child = joinPath(top.path, entry.name);
    const below = options.recursive && entry.type === 'directory' ? entry.content : undefined;
    yield { path: child, entry };
    if (below === undefined) continue;
    if (open.length >= MAX_DEPTH) throw new VarveError('damaged', `${child}: directories are nested too deeply`);
    open.push({ path: child, entries: entriesOf(below, child) });
  }
}

/** The next entry; undefined after the last. */
async function nextOf(
  entries: AsyncGenerator<EntryReader>,
  { onBroken }: ListOptions,
): Promise<EntryReader | undefined> {
  try {
    const { value, done } = await entries.next();
    return done === true ? undefined : value;
  } catch (cause) {
    if (onBroken === undefined || !(cause instanceof VarveError) || endsAll(cause)) throw cause;
    onBroken(cause);
    return undefined;
  }
}
