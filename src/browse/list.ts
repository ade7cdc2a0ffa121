import type { Buffer } from 'node:buffer';
import { endsAll, throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';

/** An entry with its path. Valid until the next one is asked for. */
export interface Listed {
  /** In the snapshot, with a slash in front. */
  readonly path: Buffer;
  readonly entry: EntryReader;
}

export interface ListOptions {
  /** Whether what is in directories is listed, too, after each directory. */
  readonly recursive: boolean;
  readonly signal?: AbortSignal;
  /** Hears of each entry that cannot be read; the rest is listed. Without it, it is an error after the directory's last entry. */
  readonly onBad?: (error: VarveError) => void;
  /** Hears of a directory that cannot be read from some point on; the rest is listed. Without it, it is an error. */
  readonly onBroken?: (error: VarveError) => void;
}

/** What is in a directory of a snapshot, in order of name. Memory is that of the directories on the way down, not of the tree. */
export async function* listTree(
  reader: TreeReader,
  content: ContentRef,
  path: Buffer,
  options: ListOptions,
): AsyncGenerator<Listed> {
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

/** Undefined after the last one. */
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
