import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import type { ContentRef } from '../../src/format/content.js';
import { bareDirectory, type Entry, writeEntry } from '../../src/format/entry.js';

const writer = new MessagePackWriter();

/** A folder as it is stored. */
export function encodeFolder(
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
