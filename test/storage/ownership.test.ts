import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, rmdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { objectName } from '../../src/repository/repository.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { scratchDirectory } from '../backup/sandbox.js';

const NOBODY = 65_534;
const skip = process.getuid?.() !== 0 && 'only root can make files of another user';
const scratch = scratchDirectory();
const BYTES = Buffer.from('an object');
const NAME = objectName(BYTES);
let number = 0;

async function madeIn(mode: number, gid: number): Promise<string> {
  const root = join(scratch, String(number++));
  mkdirSync(root);
  chownSync(root, NOBODY, gid);
  chmodSync(root, mode);
  await new LocalStore(root).create();
  return root;
}

const ownerOf = (path: string): readonly number[] => {
  const { uid, gid, mode } = lstatSync(path);
  return [uid, gid, mode & 0o7777];
};

test('a store that root makes in the directory of a user belongs to the user', { skip }, async () => {
  const root = await madeIn(0o755, NOBODY);
  const store = new LocalStore(root);
  await store.put('config', 'config', [BYTES]);
  await store.put('data', NAME, [BYTES]);
  for (const path of ['keys', 'data', join('data', 'ab')])
    assert.deepEqual(ownerOf(join(root, path)), [NOBODY, NOBODY, 0o700], path);
  for (const path of [join(root, 'config'), store.filePath('data', NAME)])
    assert.deepEqual(ownerOf(path), [NOBODY, NOBODY, 0o600], path);
});

test('a store that is made in a directory of a group is open to the group', { skip }, async () => {
  const root = await madeIn(0o2770, 4711);
  const store = new LocalStore(root);
  await store.put('config', 'config', [BYTES]);
  await new LocalStore(root).put('data', NAME, [BYTES]);
  assert.deepEqual(ownerOf(join(root, 'data', 'ab')), [NOBODY, 4711, 0o2770]);
  for (const path of [join(root, 'config'), store.filePath('data', NAME)])
    assert.deepEqual(ownerOf(path), [NOBODY, 4711, 0o640], path);
});

test('root keeps new files when a link leads into a directory of root', { skip }, async () => {
  const root = await madeIn(0o755, NOBODY);
  const other = join(scratch, 'of root');
  mkdirSync(other, { mode: 0o755 });
  const shard = join(root, 'data', NAME.slice(0, 2));
  rmdirSync(shard);
  symlinkSync(other, shard);
  await new LocalStore(root).put('data', NAME, [BYTES]);
  assert.deepEqual(
    readdirSync(other).map((name) => lstatSync(join(other, name)).uid),
    [0],
  );
});
