import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSource } from '../../src/repository/packs/object-source.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { isVarveError } from '../errors/expect-error.js';
import { names, object } from './conformance.js';
import { testsInFiles } from './in-files.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-local-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let number = 0;

async function fresh(): Promise<{ store: LocalStore; path: string }> {
  const path = join(scratch, String(number++));
  const store = new LocalStore(path);
  await store.create();
  return { store, path };
}

testsInFiles(fresh);

test('an error of a read or write names the object and the reason', async (t) => {
  const { store, path } = await fresh();
  const { name, bytes } = object(10);
  rmSync(join(path, 'locks'), { recursive: true });
  writeFileSync(join(path, 'locks'), 'in the way');
  await assert.rejects(
    store.put('locks', name, [bytes]),
    isVarveError('storage', new RegExp(`cannot write locks/${name}: .*not a directory`)),
  );
  await assert.rejects(
    store.get('locks', name),
    isVarveError('storage', new RegExp(`cannot read locks/${name}: .*not a directory`)),
  );
  await assert.rejects(names(store, 'locks'), isVarveError('storage', /cannot list: .*locks: not a directory/));
  if (process.getuid?.() === 0) return t.diagnostic('permissions do not bind root');
  await store.put('index', name, [bytes]);
  chmodSync(join(path, 'index', name), 0);
  await assert.rejects(store.get('index', name), isVarveError('storage', /permission denied/));
  chmodSync(join(path, 'snapshots'), 0o500);
  await assert.rejects(store.put('snapshots', name, [bytes]), isVarveError('storage', /permission denied/));
});

test('a missing directory has no objects', async () => {
  const store = new LocalStore(join(scratch, 'nowhere'));
  assert.deepEqual(await names(store, 'data'), []);
  assert.equal(await store.stat('config', 'config'), undefined);
  await assert.rejects(store.get('config', 'config'), isVarveError('not-found', /nowhere/));
});

test('the error names a repository directory that cannot be made', async () => {
  const file = join(scratch, 'file');
  writeFileSync(file, '');
  await assert.rejects(new LocalStore(join(file, 'below')).create(), isVarveError('storage', /below.*not a directory/));
});

test('the store does not compare an object with its name', async () => {
  const { store, path } = await fresh();
  const { name } = object(10);
  writeFileSync(join(path, 'index', name), Buffer.from('other'));
  assert.equal((await store.get('index', name)).toString(), 'other');
});

test('a read of a FIFO in place of an object is an error, not an endless wait', async () => {
  const { store, path } = await fresh();
  for (const type of ['config', 'keys', 'data'] as const) {
    const { name, bytes } = object(10);
    const own = type === 'config' ? 'config' : name;
    await store.put(type, own, [bytes]);
    rmSync(store.filePath(type, own));
    execFileSync('mkfifo', [store.filePath(type, own)]);
    const expected = isVarveError('storage', new RegExp(`cannot read ${type}.*: ${path}.*: is not a regular file`));
    await assert.rejects(store.get(type, own), expected);
    await assert.rejects(store.get(type, own, { offset: 0, length: 0 }), expected);
    assert.throws(() => openSource(store.filePath(type, own), own), /is not a regular file/);
  }
});
