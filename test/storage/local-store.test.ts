import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { fails } from '../crypto/rings.js';
import { names, object } from './conformance.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-local-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let number = 0;

async function fresh(): Promise<{ store: LocalStore; path: string }> {
  const path = join(scratch, String(number++));
  const store = new LocalStore(path);
  await store.create();
  return { store, path };
}

const allFiles = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((each) => (each.isFile() ? [each.name] : []));

test('objects lie where restic’s local backend has them, for the owner alone', async () => {
  const { store, path } = await fresh();
  const { name, bytes } = object(100);
  await store.put('data', name, [bytes]);
  await store.put('snapshots', name, [bytes]);
  await store.put('config', 'config', [bytes]);
  for (const file of [join('data', name.slice(0, 2), name), join('snapshots', name), 'config']) {
    const { mode, size } = statSync(join(path, file));
    assert.equal(size, 100);
    assert.equal(mode & 0o777, 0o600);
  }
  for (const folder of ['', 'data', 'keys', 'index', 'snapshots', 'locks', 'data/00', 'data/ff'])
    assert.equal(statSync(join(path, folder)).mode & 0o777, 0o700, folder);
});

test('nothing but objects is left after many puts, also when two write the same one', async () => {
  const { store, path } = await fresh();
  const objects = Array.from({ length: 20 }, (_, i) => object(i * 100_000));
  await Promise.all([...objects, ...objects, ...objects].map(({ name, bytes }) => store.put('data', name, [bytes])));
  assert.deepEqual(allFiles(path).sort(), objects.map(({ name }) => name).sort());
});

test('folders that a copy of the repository lacks are made again, the repository itself is not', async () => {
  const { store, path } = await fresh();
  const { name, bytes } = object(100);
  for (const folder of ['data', 'locks']) rmSync(join(path, folder), { recursive: true });
  for (const type of ['data', 'locks'] as const) {
    await store.put(type, name, [bytes]);
    assert.deepEqual(await store.get(type, name), bytes);
  }
  rmSync(path, { recursive: true });
  await assert.rejects(store.put('data', name, [bytes]), fails('storage', /no such file or directory/));
  assert.ok(!existsSync(path));
});

test('a temporary file is no object; a day later it is removed', async () => {
  const { store, path } = await fresh();
  const { name, bytes } = object(10);
  await store.put('index', name, [bytes]);
  const recent = join(path, 'index', '.tmp-0011223344556677');
  const old = join(path, 'index', '.tmp-8899aabbccddeeff');
  for (const each of [recent, old]) writeFileSync(each, 'half an obj');
  const yesterday = Date.now() / 1000 - 25 * 3600;
  utimesSync(old, yesterday, yesterday);
  assert.deepEqual(await names(store, 'index'), [name]);
  assert.ok(existsSync(recent));
  assert.ok(!existsSync(old));
});

test('a temporary file beside config, which a crash of `init` leaves, is removed a day later', async () => {
  const { store, path } = await fresh();
  const [recent, old, other] = ['.tmp-0011223344556677', '.tmp-8899aabbccddeeff', 'notes'].map((name) =>
    join(path, name),
  );
  const yesterday = new Date(Date.now() - 25 * 3600_000);
  for (const each of [recent, old, other]) writeFileSync(each as string, 'half a config');
  for (const each of [old, other]) utimesSync(each as string, yesterday, yesterday);
  assert.deepEqual(await names(store, 'locks'), []);
  assert.deepEqual(
    [recent, old, other].map((each) => existsSync(each as string)),
    [true, false, true],
  );
});

test('an object that was truncated is replaced when it is stored again', async () => {
  const { store, path } = await fresh();
  const { name, bytes } = object(1000);
  await store.put('data', name, [bytes]);
  truncateSync(join(path, 'data', name.slice(0, 2), name), 500);
  await assert.rejects(
    store.get('data', name, { offset: 400, length: 200 }),
    fails('damaged', new RegExp(`data/${name}: truncated`)),
  );
  await store.put('data', name, [bytes]);
  assert.deepEqual(await store.get('data', name), bytes);
});

test('an object that cannot be written or read says which and why', async (t) => {
  const { store, path } = await fresh();
  const { name, bytes } = object(10);
  rmSync(join(path, 'locks'), { recursive: true });
  writeFileSync(join(path, 'locks'), 'in the way');
  await assert.rejects(
    store.put('locks', name, [bytes]),
    fails('storage', new RegExp(`cannot write locks/${name}: .*not a directory`)),
  );
  await assert.rejects(
    store.get('locks', name),
    fails('storage', new RegExp(`cannot read locks/${name}: .*not a directory`)),
  );
  await assert.rejects(names(store, 'locks'), fails('storage', /cannot list: .*locks: not a directory/));
  if (process.getuid?.() === 0) return t.diagnostic('permissions do not bind root');
  await store.put('index', name, [bytes]);
  chmodSync(join(path, 'index', name), 0);
  await assert.rejects(store.get('index', name), fails('storage', /permission denied/));
  chmodSync(join(path, 'snapshots'), 0o500);
  await assert.rejects(store.put('snapshots', name, [bytes]), fails('storage', /permission denied/));
});

test('a folder that is not there has no objects', async () => {
  const store = new LocalStore(join(scratch, 'nowhere'));
  assert.deepEqual(await names(store, 'data'), []);
  assert.equal(await store.stat('config', 'config'), undefined);
  await assert.rejects(store.get('config', 'config'), fails('not-found', /nowhere/));
});

test('a repository folder that cannot be made is named', async () => {
  const file = join(scratch, 'file');
  writeFileSync(file, '');
  await assert.rejects(new LocalStore(join(file, 'below')).create(), fails('storage', /below.*not a directory/));
});

test('an object of another content under the name is the reader’s to find', async () => {
  const { store, path } = await fresh();
  const { name } = object(10);
  writeFileSync(join(path, 'index', name), Buffer.from('other'));
  assert.equal((await store.get('index', name)).toString(), 'other');
});
