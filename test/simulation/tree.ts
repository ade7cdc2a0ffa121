import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { blobId } from '../../src/crypto/blob-id.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../src/format/content.js';
import { bareDirectory, type Entry, writeEntry } from '../../src/format/entry.js';
import type { Repository } from '../../src/repository/repository.js';
import { contentOf, type Files } from './source.js';

const writer = new MessagePackWriter();

/**
 * Stores the folders of files whose contents are stored.
 *
 * @param put stores a folder
 * @returns the root
 */
export function storeTree(contents: ReadonlyMap<string, ContentRef>, put: (bytes: Buffer) => ContentRef): ContentRef {
  const top = new Map<string, { folder: boolean; content: ContentRef }>();
  const folders = new Map<string, Map<string, { folder: boolean; content: ContentRef }>>();
  for (const [path, content] of contents) {
    const [folder, name] = path.includes('/') ? (path.split('/') as [string, string]) : [undefined, path];
    if (folder === undefined) top.set(name, { folder: false, content });
    else folders.set(folder, (folders.get(folder) ?? new Map()).set(name, { folder: false, content }));
  }
  for (const [name, entries] of folders) top.set(name, { folder: true, content: put(encodeFolder(entries)) });
  return put(encodeFolder(top));
}

/** What a snapshot of files has for a root in a repository. */
export function rootOf(files: Files, { keys }: Repository): ContentRef {
  const contents = new Map([...files].map(([path, number]) => [path, refer(keys, DATA, encodeFile(number))]));
  return storeTree(contents, (bytes) => refer(keys, TREE, bytes));
}

export const encodeFile = (number: number): Buffer => Buffer.from(contentOf(number));

/** A reference to one blob. */
export function refer({ id }: Repository['keys'], kind: BlobKind, bytes: Buffer): ContentRef {
  return { size: bytes.length, depth: 0, ids: blobId(id, kind, bytes) };
}

/** A folder as it is stored. */
function encodeFolder(
  contents: ReadonlyMap<string, { readonly folder: boolean; readonly content: ContentRef }>,
): Buffer {
  writer.reset();
  for (const name of [...contents.keys()].sort()) {
    const { folder, content } = contents.get(name) as { folder: boolean; content: ContentRef };
    writeEntry(writer, entryOf(name, folder, content));
  }
  return Buffer.from(writer.view());
}

function entryOf(name: string, folder: boolean, content: ContentRef): Entry {
  const entry = bareDirectory(Buffer.from(name), content);
  return folder ? entry : { ...entry, type: 'file', size: content.size };
}
