import type { Buffer } from 'node:buffer';
import type { ContentRef } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import type { Xattr } from '../format/xattrs.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';
import { type ListOptions, listTree } from './list.js';
import { fitsPaxKey, fitsTar, TAR_BROKEN, TAR_END, tarHeader, tarPadding } from './tar.js';

/** An entry that goes into an archive. */
export interface DumpedEntry {
  /** Relative, without a slash in front. */
  readonly path: Buffer;
  readonly entry: Entry;
  /** A file's bytes. */
  readonly content: () => AsyncIterable<Buffer>;
  readonly xattrs: () => Promise<Xattr[]>;
}

/** An entry that an archive cannot hold, or one attribute of it. */
export interface LeftOut {
  readonly path: Buffer;
  /** The attribute's name; undefined when it is the entry itself. */
  readonly attribute?: Buffer;
  /** What it is that the archive cannot hold, in words. */
  readonly what: string;
}

/** A file's bytes, verified, with zeros for its holes. Needs a full key. @param path for errors */
export function dumpFile(reader: TreeReader, entry: Entry, path: Buffer): AsyncGenerator<Buffer> {
  return reader.file(entry, path.toString());
}

/** @param path in the snapshot, with a slash in front */
export function dumpedEntry(reader: TreeReader, path: Buffer, entry: Entry): DumpedEntry {
  return {
    path: path.subarray(1),
    entry,
    content: () => dumpFile(reader, entry, path),
    xattrs: () => reader.xattrs(entry, path.toString()),
  };
}

/** Everything below a directory of a snapshot, directories before what is in them. */
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
 * A tar archive of the entries, with their extended attributes (as GNU tar's --xattrs and restic write them). Further names of a file
 * become hard links. When an entry cannot be read, the archive ends so that tar fails.
 *
 * @param onLeftOut is told what tar cannot hold
 * @param isWhole whether no entry was missing; else, too, the archive ends so that tar fails
 */
export async function* writeTar(
  entries: AsyncIterable<DumpedEntry>,
  onLeftOut: (left: LeftOut) => void,
  isWhole: () => boolean = () => true,
): AsyncGenerator<Buffer> {
  const linked = new Map<string, Buffer>();
  // Bytes of the current file that are still to come: tar itself notices when an archive ends before them.
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
    if (missing === 0) yield TAR_BROKEN;
    throw cause;
  }
  yield isWhole() ? TAR_END : TAR_BROKEN;
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

/** The first name of a file with several; undefined when this is it. */
function firstName(linked: Map<string, Buffer>, { type, device, inode }: Entry, path: Buffer): Buffer | undefined {
  if (type === 'directory') return undefined;
  const key = `${device}:${inode}`;
  const first = linked.get(key);
  if (first === undefined) linked.set(key, path);
  return first;
}
