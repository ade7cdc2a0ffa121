import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ContentRef } from '../../src/format/content.js';
import { ID_BYTES } from '../../src/format/limits.js';
import { FrameOpener, PackKeyRing, SyncTreeReader } from '../../src/repository/reading/blob-reader.js';
import { IdList } from '../../src/repository/reading/content-stream.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';

const scratch = scratchDirectory();

/** The reader that workers use for parent snapshots, and the root of one. */
async function readerOfSnapshot(): Promise<{ reader: SyncTreeReader; root: ContentRef }> {
  const store = new MemoryStore();
  const sandbox = await Sandbox.create(scratch, { store });
  writeFileSync(join(sandbox.source, 'file'), 'content');
  const { snapshot } = await sandbox.backup();
  const packs = new Map<string, Uint8Array>();
  for await (const { name } of store.list('data')) packs.set(name, await store.get('data', name));
  const { index, keys, badCopies } = await sandbox.indexed();
  const fetch = (name: string, offset: number, length: number): Buffer =>
    Buffer.from(packs.get(name)?.subarray(offset, offset + length) ?? []);
  return {
    reader: new SyncTreeReader(new FrameOpener(index, keys, new PackKeyRing(keys)), fetch, badCopies),
    root: snapshot.root,
  };
}

test('SyncTreeReader throws damaged when a directory is not as long as stated, or a list of ids is endless', async () => {
  const { reader, root } = await readerOfSnapshot();
  assert.equal(Buffer.concat([...reader.stream(root)]).length, root.size);
  for (const size of [root.size - 1, root.size + 1])
    assert.throws(() => [...reader.stream({ ...root, size })], isVarveError('damaged', /bytes together, not/));
  const endless = { size: 5, depth: 1 as const, ids: Buffer.concat(new Array(1000).fill(root.ids)) };
  let given = 0;
  assert.throws(
    () => {
      for (const ids of reader.lists(endless)) given += ids.length / ID_BYTES;
    },
    isVarveError('damaged', /more chunks than its 5 bytes/),
  );
  assert.ok(given <= endless.size);
});

test('IdList joins ids wherever the list is cut, and throws when the last one is cut off', () => {
  const ids = Buffer.from(Array.from({ length: 5 * ID_BYTES }, (_, at) => at));
  for (const cut of [1, 31, 32, 33, 100, 160]) {
    const list = new IdList(5);
    const parts: Buffer[] = [];
    for (let at = 0; at < ids.length; at += cut) parts.push(list.push(ids.subarray(at, at + cut)));
    list.end();
    assert.deepEqual(Buffer.concat(parts), ids);
  }
  const list = new IdList(5);
  list.push(ids.subarray(1));
  assert.throws(() => list.end(), isVarveError('damaged', /cut off/));
});
