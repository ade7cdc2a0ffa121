import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { blobId } from '../../src/crypto/blob-id.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../src/format/content.js';
import { bareDirectory, type Entry, writeEntry } from '../../src/format/entry.js';
import type { Repository } from '../../src/repository/repository.js';
import { contentOf, type Files } from './source.js';

const writer = new MessagePackWriter();

/**
 * Stores the directories of files whose contents are stored.
 *
 * @param put stores a directory
 * @returns the root
 */
export function storeTree(contents: ReadonlyMap<string, ContentRef>, put: (bytes: Buffer) => ContentRef): ContentRef {
  const top = new Map<string, { directory: boolean; content: ContentRef }>();
  const directories = new Map<string, Map<string, { directory: boolean; content: ContentRef }>>();
  for (const [path, content] of contents) {
    const [directory, name] = path.includes('/') ? (path.split('/') as [string, string]) : [undefined, path];
    if (directory === undefined) top.set(name, { directory: false, content });
    else directories.set(directory, (directories.get(directory) ?? new Map()).set(name, { directory: false, content }));
  }
  for (const [name, entries] of directories) top.set(name, { directory: true, content: put(encodeDirectory(entries)) });
  return put(encodeDirectory(top));
}

/** The root that a snapshot of these files has in a repository. */
export function rootOf(files: Files, { keys }: Repository): ContentRef {
  const contents = new Map([...files].map(([path, number]) => [path, refer(keys, DATA, encodeFile(number))]));
  return storeTree(contents, (bytes) => refer(keys, TREE, bytes));
}

export const encodeFile = (number: number): Buffer => Buffer.from(contentOf(number));

/** A reference to one blob. */
export function refer({ id }: Repository['keys'], kind: BlobKind, bytes: Buffer): ContentRef {
  return { size: bytes.length, depth: 0, ids: blobId(id, kind, bytes) };
}

/** The stored form of a directory. */
function encodeDirectory(
  contents: ReadonlyMap<string, { readonly directory: boolean; readonly content: ContentRef }>,
): Buffer {
  writer.reset();
  for (const name of [...contents.keys()].sort()) {
    const { directory, content } = contents.get(name) as { directory: boolean; content: ContentRef };
    writeEntry(writer, entryOf(name, directory, content));
  }
  return Buffer.from(writer.view());
}

function entryOf(name: string, directory: boolean, content: ContentRef): Entry {
  const entry = bareDirectory(Buffer.from(name), content);
  return directory ? entry : { ...entry, type: 'file', size: content.size };
}
