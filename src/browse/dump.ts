// Writes files and directories of snapshots as bytes and as tar archives.
// Encoding of headers is left to tar.ts; zip archives are in zip.ts.

import type { Buffer } from 'node:buffer';
import type { ContentRef } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import type { Xattr } from '../format/xattrs.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';
import { type ListOptions, listTree } from './list.js';
import { fitsPaxKey, fitsTar, TAR_END, TAR_INCOMPLETE, tarHeader, tarPadding } from './tar.js';

/** An entry to write to an archive. */
export interface DumpedEntry {
  /** Relative, without a slash at its beginning. */
  readonly path: Buffer;
  readonly entry: Entry;
  /** The bytes of a file. */
  readonly content: () => AsyncIterable<Buffer>;
  readonly xattrs: () => Promise<Xattr[]>;
}

/** An entry, or one of its attributes, that an archive format cannot store. */
export interface LeftOut {
  readonly path: Buffer;
  /** The name of the attribute; undefined when it is the entry itself. */
  readonly attribute?: Buffer;
  /** What cannot be stored, in words. */
  readonly what: string;
}

/** Reads a file's bytes, verified, with zeros for holes. Needs a full key. @param path shown in errors */
export function dumpFile(reader: TreeReader, entry: Entry, path: Buffer): AsyncGenerator<Buffer> {
  return reader.file(entry, path.toString());
}

/** @param path in the snapshot, with a slash at its beginning */
export function dumpedEntry(reader: TreeReader, path: Buffer, entry: Entry): DumpedEntry {
  return {
    path: path.subarray(1),
    entry,
    content: () => dumpFile(reader, entry, path),
    xattrs: () => reader.xattrs(entry, path.toString()),
  };
}

/** Lists everything below a directory of a snapshot. Directories come before their entries. */
export async function* dumpEntries(
  reader: TreeReader,
  content: ContentRef,
  path: Buffer,
  options: Pick<ListOptions, 'signal' | 'onBad'> = {},
): AsyncGenerator<DumpedEntry> {
  for await (const listed of listTree(reader, content, path, { recursive: true, ...options }))
    yield dumpedEntry(reader, listed.path, listed.entry.entry());
}

/**
 * Writes a tar archive with extended attributes in the form of GNU tar's --xattrs, which restic uses too. Further names of a
 * file become hard links. When an entry cannot be read, the archive ends so that tar reports an error.
 *
 * @param onLeftOut called with what tar cannot store
 * @param isWhole whether all entries could be read; if not, the archive also ends so that tar reports an error
 */
export async function* writeTar(
  entries: AsyncIterable<DumpedEntry>,
  onLeftOut: (left: LeftOut) => void,
  isWhole: () => boolean = () => true,
): AsyncGenerator<Buffer> {
  const linked = new Map<string, Buffer>();
  // Bytes of the current file still to be written. If the archive ends before them, tar notices by itself.
  let missing = 0;
  try {
    for await (const dumped of entries) {
      const { path, entry } = dumped;
      if (!fitsTar(entry)) {
        onLeftOut({ path, what: `such a ${entry.type}` });
        continue;
      }
      const first = entry.links > 1 ? firstName(linked, entry, path) : undefined;
      yield await headerOf(dumped, first, onLeftOut);
      if (entry.type !== 'file' || first !== undefined) continue;
      missing = entry.size;
      for await (const bytes of dumped.content()) {
        missing -= bytes.length;
        yield bytes;
      }
      yield tarPadding(entry.size);
    }
  } catch (cause) {
    if (missing === 0) yield TAR_INCOMPLETE;
    throw cause;
  }
  yield isWhole() ? TAR_END : TAR_INCOMPLETE;
}

async function headerOf(
  { path, entry, xattrs }: DumpedEntry,
  first: Buffer | undefined,
  onLeftOut: (left: LeftOut) => void,
): Promise<Buffer> {
  const all = first === undefined ? await xattrs() : [];
  for (const { name } of all)
    if (!fitsPaxKey(name)) onLeftOut({ path, attribute: name, what: 'an attribute of that name' });
  return tarHeader(
    path,
    entry,
    first,
    all.filter(({ name }) => fitsPaxKey(name)),
  );
}

/** The first name of a hard-linked file; undefined when `path` is the first. */
function firstName(linked: Map<string, Buffer>, { type, device, inode }: Entry, path: Buffer): Buffer | undefined {
  if (type === 'directory') return undefined;
  const key = `${device}:${inode}`;
  const first = linked.get(key);
  if (first === undefined) linked.set(key, path);
  return first;
}
