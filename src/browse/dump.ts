import type { Buffer } from 'node:buffer';
import type { ContentRef } from '../format/content.js';
import type { Entry } from '../format/entry.js';
import type { TreeReader } from '../repository/tree-reader.js';
import { listTree } from './list.js';
import { fitsTar, TAR_END, tarHeader, tarPadding } from './tar.js';

/** An entry that goes into an archive. */
export interface DumpedEntry {
  /** Relative, without a slash in front. */
  readonly path: Buffer;
  readonly entry: Entry;
  /** A file's bytes. */
  readonly content: () => AsyncIterable<Buffer>;
}

/** A file's bytes, verified. Needs a full key. */
export function dumpFile(reader: TreeReader, content: ContentRef): AsyncGenerator<Buffer> {
  return reader.content(content);
}

/** Everything below a folder of a snapshot, folders before what is in them. */
export async function* dumpEntries(
  reader: TreeReader,
  content: ContentRef,
  path: Buffer,
  signal?: AbortSignal,
): AsyncGenerator<DumpedEntry> {
  for await (const listed of listTree(reader, content, path, { recursive: true, ...(signal && { signal }) })) {
    const entry = listed.entry.entry();
    const bytes = entry.content;
    yield { path: listed.path.subarray(1), entry, content: () => reader.content(bytes as ContentRef) };
  }
}

/**
 * A tar archive of the entries. Further names of a file become hard links.
 *
 * @param onUnfit is told what tar cannot hold, and is left out
 */
export async function* writeTar(
  entries: AsyncIterable<DumpedEntry>,
  onUnfit: (entry: DumpedEntry) => void,
): AsyncGenerator<Buffer> {
  const linked = new Map<string, Buffer>();
  for await (const dumped of entries) {
    const { path, entry, content } = dumped;
    if (!fitsTar(entry)) {
      onUnfit(dumped);
      continue;
    }
    const first = entry.links > 1 ? firstName(linked, entry, path) : undefined;
    yield tarHeader(path, entry, first);
    if (entry.type !== 'file' || first !== undefined) continue;
    yield* content();
    yield tarPadding(entry.size);
  }
  yield TAR_END;
}

/** The first name of a file with several; undefined when this is it. */
function firstName(linked: Map<string, Buffer>, { type, device, inode }: Entry, path: Buffer): Buffer | undefined {
  if (type === 'directory') return undefined;
  const key = `${device}:${inode}`;
  const first = linked.get(key);
  if (first === undefined) linked.set(key, path);
  return first;
}
