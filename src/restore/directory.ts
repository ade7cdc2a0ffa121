import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../bytes/writer.js';
import { isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import { type Entry, writeEntry } from '../format/entry.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { Leftovers } from './temporary-names.js';

const SLASH = Buffer.from('/');

/** A directory of the snapshot as it is walked. */
export interface Directory {
  /** Below the target, without a slash in front; empty for the target itself. */
  readonly path: Buffer;
  readonly parent: Directory | undefined;
  /** Its encoded entry; undefined for the target itself. */
  readonly raw: Buffer | undefined;
  readonly depth: number;
  /** False when only something in it may be. */
  readonly selected: boolean;
  /** Of its encoded entry, when they are too long for that. */
  readonly xattrs: ContentRef | undefined;
  /** Undefined while it has not been made. */
  fresh: boolean | undefined;
  /** In a directory that was there. */
  leftovers: Leftovers | undefined;
  /** Names of its entries that look like leftovers. */
  readonly alike: Set<string>;
  /** Names of what was restored in it, without their case, where the file system ignores that; undefined while it is not known. */
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
  return { path, parent, raw: undefined, depth: 0, selected: true, xattrs: undefined, ...unseen(), fresh };
}

/** The target when it is to be the directory of this entry, with its metadata. */
export function targetAs(entry: Entry): Directory {
  const out = new MessagePackWriter();
  writeEntry(out, entry);
  const xattrs = isReference(entry.xattrs) ? entry.xattrs : undefined;
  return { ...rootDirectory(false), raw: Buffer.from(out.view()), xattrs };
}

export function subdirectoryOf(parent: Directory, path: Buffer, entry: EntryReader, selected: boolean): Subdirectory {
  const { content, xattrs } = entry.entry();
  const raw = Buffer.from(entry.raw);
  const attached = isReference(xattrs) ? xattrs : undefined;
  const directory = { path, parent, raw, depth: parent.depth + 1, selected, xattrs: attached, ...unseen() };
  return { directory, content: content as ContentRef };
}

const unseen = (): Pick<Directory, 'fresh' | 'leftovers' | 'alike' | 'taken'> => ({
  fresh: undefined,
  leftovers: undefined,
  alike: new Set(),
  taken: undefined,
});

/** The path of a name in a directory. */
export function below(directory: Pick<Directory, 'path'>, name: Buffer): Buffer {
  return directory.path.length === 0 ? Buffer.from(name) : Buffer.concat([directory.path, SLASH, name]);
}
