import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Store } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';
import { names, object } from './conformance.js';

/** A new repository's store, and its directory as this machine sees it. */
export type Fresh = () => Promise<{ readonly store: Store; readonly path: string }>;

/** Names of all files below a directory. */
export const allFiles = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true }).flatMap((each) => (each.isFile() ? [each.name] : []));

const DAY_AGO = new Date(Date.now() - 25 * 3600_000);

/** Tests of what every store whose objects are files promises of these. @param skip why they are left out */
export function testsInFiles(fresh: Fresh, skip: string | false = false): void {
  test('objects have the paths of restic’s backend and the owner’s mode', { skip }, async () => {
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
    for (const directory of ['', 'data', 'keys', 'index', 'snapshots', 'locks', 'data/00', 'data/ff'])
      assert.equal(statSync(join(path, directory)).mode & 0o777, 0o700, directory);
    await store.close();
  });

  test('concurrent puts leave nothing but objects, also when several write the same one', {
    skip,
  }, async () => {
    const { store, path } = await fresh();
    const objects = Array.from({ length: 40 }, (_, i) => object(i * 50_000));
    await Promise.all([...objects, ...objects, ...objects].map(({ name, bytes }) => store.put('data', name, [bytes])));
    assert.deepEqual(allFiles(path).sort(), objects.map(({ name }) => name).sort());
    const got = await Promise.all(objects.map(({ name }) => store.get('data', name)));
    for (const [i, { bytes }] of objects.entries()) assert.ok(got[i]?.equals(bytes));
    await store.now();
    await store.close();
    assert.equal(allFiles(path).length, objects.length);
  });

  test('a put makes missing directories again, but not the repository itself', {
    skip,
  }, async () => {
    const { store, path } = await fresh();
    const { name, bytes } = object(100);
    for (const directory of ['data', 'locks']) rmSync(join(path, directory), { recursive: true });
    for (const type of ['data', 'locks'] as const) {
      await store.put(type, name, [bytes]);
      assert.deepEqual(await store.get(type, name), bytes);
    }
    rmSync(path, { recursive: true });
    await assert.rejects(
      store.put('data', name, [bytes]),
      isVarveError('storage', /cannot write data\/.*(?:no such file or directory|the directory does not exist)/),
    );
    assert.ok(!existsSync(path));
    assert.deepEqual(await names(store, 'data'), []);
    await assert.rejects(store.get('config', 'config'), isVarveError('not-found', /config: missing from /));
    await store.close();
  });

  test('a listing skips a temporary file and removes it after a day', { skip }, async () => {
    const { store, path } = await fresh();
    const { name, bytes } = object(10);
    await store.put('index', name, [bytes]);
    const recent = join(path, 'index', '.tmp-0011223344556677');
    const old = join(path, 'index', '.tmp-8899aabbccddeeff');
    for (const each of [recent, old]) writeFileSync(each, 'half an obj');
    utimesSync(old, DAY_AGO, DAY_AGO);
    assert.deepEqual(await names(store, 'index'), [name]);
    assert.deepEqual([existsSync(recent), existsSync(old)], [true, false]);
    await store.close();
  });

  test('a temporary file beside config, which a crash of `init` leaves, is removed a day later', {
    skip,
  }, async () => {
    const { store, path } = await fresh();
    const beside = ['.tmp-0011223344556677', '.tmp-8899aabbccddeeff', 'notes'].map((name) => join(path, name));
    for (const each of beside) writeFileSync(each, 'half a config');
    for (const each of beside.slice(1)) utimesSync(each, DAY_AGO, DAY_AGO);
    assert.deepEqual(await names(store, 'locks'), []);
    assert.deepEqual(beside.map(existsSync), [true, false, true]);
    await store.close();
  });

  test('a put replaces a truncated object', { skip }, async () => {
    const { store, path } = await fresh();
    const { name, bytes } = object(1000);
    await store.put('data', name, [bytes]);
    truncateSync(join(path, 'data', name.slice(0, 2), name), 500);
    await assert.rejects(
      store.get('data', name, { offset: 400, length: 200 }),
      isVarveError('damaged', new RegExp(`data/${name}: truncated`)),
    );
    await store.put('data', name, [bytes]);
    assert.deepEqual(await store.get('data', name), bytes);
    assert.deepEqual(allFiles(path), [name]);
    await store.close();
  });
}
