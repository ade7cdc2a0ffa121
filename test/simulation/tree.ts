import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import type { ContentRef } from '../../src/format/content.js';
import { type Entry, writeEntry } from '../../src/format/entry.js';

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
  const times = { mtimeSeconds: 0, mtimeNanoseconds: 0, ctimeSeconds: 0, ctimeNanoseconds: 0 };
  return {
    ...times,
    name: Buffer.from(name),
    type: folder ? 'directory' : 'file',
    mode: 0,
    uid: 0,
    gid: 0,
    user: '',
    group: '',
    size: folder ? 0 : content.size,
    inode: 0,
    device: 0,
    links: 1,
    content,
    target: undefined,
    rdev: undefined,
    atime: undefined,
    btime: undefined,
    xattrs: undefined,
    holes: undefined,
  };
}
