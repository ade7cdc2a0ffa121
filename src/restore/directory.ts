// The state of a directory during the walk of a restore.
// How directories are made is in target.ts, their metadata in metadata.ts.
import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../bytes/writer.js';
import { isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import { type Entry, writeEntry } from '../format/entry.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { Leftovers } from './temporary-names.js';

const SLASH = Buffer.from('/');

/** A directory of the snapshot during the walk. */
export interface Directory {
  /** Relative to the target; empty for the target itself. */
  readonly path: Buffer;
  readonly parent: Directory | undefined;
  /** Its encoded entry; undefined for the target itself. */
  readonly raw: Buffer | undefined;
  readonly depth: number;
  /** False when only something below it may be selected. */
  readonly selected: boolean;
  /** Its attributes, when they are too long for the entry. */
  readonly xattrs: ContentRef | undefined;
  /** Whether it was made by this restore; undefined before that is known. */
  fresh: boolean | undefined;
  /** Temporary files of earlier runs, if the directory existed. */
  leftovers: Leftovers | undefined;
  /** Names of its entries in the snapshot that look like temporary files. */
  readonly lookalikes: Set<string>;
  /** Case-folded names of restored entries; `exact` when the file system respects case; undefined before that is known. */
  taken: Set<string> | 'exact' | undefined;
}

export interface Subdirectory {
  readonly directory: Directory;
  readonly content: ContentRef;
}

/** The target itself. */
export function rootDirectory(fresh: boolean): Directory {
  const path = Buffer.alloc(0);
  const parent = undefined;
  return { path, parent, raw: undefined, depth: 0, selected: true, xattrs: undefined, ...untouched(), fresh };
}

/** The target, to receive the metadata of an entry. */
export function targetWithEntry(entry: Entry): Directory {
  const out = new MessagePackWriter();
  writeEntry(out, entry);
  const xattrs = isReference(entry.xattrs) ? entry.xattrs : undefined;
  return { ...rootDirectory(false), raw: Buffer.from(out.view()), xattrs };
}

export function subdirectoryOf(parent: Directory, path: Buffer, entry: EntryReader, selected: boolean): Subdirectory {
  const { content, xattrs } = entry.entry();
  const raw = Buffer.from(entry.raw);
  const attached = isReference(xattrs) ? xattrs : undefined;
  const directory = { path, parent, raw, depth: parent.depth + 1, selected, xattrs: attached, ...untouched() };
  return { directory, content: content as ContentRef };
}

const untouched = (): Pick<Directory, 'fresh' | 'leftovers' | 'lookalikes' | 'taken'> => ({
  fresh: undefined,
  leftovers: undefined,
  lookalikes: new Set(),
  taken: undefined,
});

/** The path of a name in a directory. */
export function below(directory: Pick<Directory, 'path'>, name: Buffer): Buffer {
  return directory.path.length === 0 ? Buffer.from(name) : Buffer.concat([directory.path, SLASH, name]);
}
