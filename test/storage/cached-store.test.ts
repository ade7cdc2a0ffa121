import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CacheDirectory } from '../../src/storage/cached/cache-directory.js';
import { CachedStore } from '../../src/storage/cached/cached-store.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { ObjectType, Range } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';
import { names, object } from './conformance.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-cache-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let number = 0;

/** Counts what reaches the store behind the cache. */
class CountingStore extends MemoryStore {
  readonly asked: string[] = [];

  override get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    this.asked.push(`${type}/${name}`);
    return super.get(type, name, range);
  }
}

function fresh(): { behind: CountingStore; store: CachedStore; again: () => CachedStore; directory: string } {
  const behind = new CountingStore();
  const directory = join(scratch, String(number++));
  const again = (): CachedStore => new CachedStore(behind, CacheDirectory.open(directory) as CacheDirectory);
  return { behind, store: again(), again, directory };
}

/** The cached objects of a type, without the tag that excludes the cache from backups. */
const cachedIn = (directory: string, type: ObjectType): string[] =>
  readdirSync(join(directory, type)).filter((name) => name !== 'CACHEDIR.TAG');

const KEEP = { keep: true };

test('CachedStore fetches index objects and kept packs once, others each time', async () => {
  const { behind, store, again } = fresh();
  const { name, bytes } = object(1000);
  for (const type of ['index', 'snapshots', 'data', 'keys', 'locks'] as const) await behind.put(type, name, [bytes]);
  for (const each of [store, store, again()]) {
    assert.deepEqual(await each.get('index', name), bytes);
    assert.deepEqual(await each.get('snapshots', name, { offset: 5, length: 9 }), bytes.subarray(5, 14));
    assert.deepEqual(await each.get('data', name, { offset: 990, length: 10 }, KEEP), bytes.subarray(990));
    for (const type of ['keys', 'locks'] as const) await each.get(type, name);
  }
  const times = (type: string): number => behind.asked.filter((each) => each.startsWith(type)).length;
  assert.deepEqual(['index', 'snapshots', 'data', 'keys', 'locks'].map(times), [1, 3, 1, 3, 3]);
  const { name: other, bytes: content } = object(500);
  await behind.put('data', other, [content]);
  await store.get('data', other, { offset: 0, length: 5 });
  await store.get('data', other, { offset: 0, length: 5 });
  assert.equal(times('data'), 3);
});

test('CachedStore caches new objects of the kinds that it keeps', async () => {
  const { behind, store, directory } = fresh();
  const { name, bytes } = object(1000);
  await store.put('data', name, [bytes.subarray(0, 300), bytes.subarray(300)], KEEP);
  await store.put('index', name, [bytes]);
  await store.get('data', name, { offset: 0, length: 1000 }, KEEP);
  await store.get('index', name);
  assert.equal(behind.asked.length, 0);
  const { name: other, bytes: content } = object(10);
  await store.put('data', other, [content]);
  assert.deepEqual(cachedIn(directory, 'data'), [name]);
  assert.equal(statSync(join(directory, 'data', name)).mode & 0o777, 0o600);
  assert.equal(statSync(join(directory, 'data')).mode & 0o777, 0o700);
});

test('CachedStore replaces a cached file that was changed, truncated or emptied', async () => {
  const { behind, store, again, directory } = fresh();
  const { name, bytes } = object(1000);
  await store.put('index', name, [bytes]);
  await store.put('data', name, [bytes], KEEP);
  const flipped = Buffer.from(bytes);
  flipped[500] = (flipped[500] as number) ^ 1;
  for (const wrong of [flipped, bytes.subarray(0, 999), Buffer.alloc(0), Buffer.concat([bytes, bytes])]) {
    for (const type of ['index', 'data'] as const) {
      writeFileSync(join(directory, type, name), wrong);
      const before = behind.asked.length;
      const fetched = again();
      assert.deepEqual(await fetched.get(type, name, { offset: 450, length: 100 }, KEEP), bytes.subarray(450, 550));
      assert.deepEqual(await fetched.get(type, name, undefined, KEEP), bytes);
      assert.equal(behind.asked.length, before + 1);
      assert.deepEqual(readFileSync(join(directory, type, name)), bytes);
    }
  }
});

test('CachedStore uses a cached pack only when all of it is right', async () => {
  const { behind, store, again, directory } = fresh();
  const { name, bytes } = object(600_000);
  await store.put('data', name, [bytes.subarray(0, 1), bytes.subarray(1)], KEEP);
  assert.deepEqual(await again().get('data', name, { offset: 0, length: 9 }, KEEP), bytes.subarray(0, 9));
  assert.equal(behind.asked.length, 0);
  const flipped = Buffer.from(bytes);
  flipped[599_999] = (flipped[599_999] as number) ^ 1;
  writeFileSync(join(directory, 'data', name), flipped);
  assert.deepEqual(await again().get('data', name, { offset: 0, length: 9 }, KEEP), bytes.subarray(0, 9));
  assert.equal(behind.asked.length, 1);
});

test('CachedStore reads into the caller’s buffer', async () => {
  const { behind, store } = fresh();
  const { name, bytes } = object(1000);
  await store.put('data', name, [bytes], KEEP);
  const range = { offset: 100, length: 50 };
  const into = Buffer.alloc(60);
  const read = await store.get('data', name, range, { keep: true, into });
  assert.deepEqual(read, bytes.subarray(100, 150));
  assert.deepEqual([read.buffer, into.subarray(0, 50)], [into.buffer, read]);
  const tooSmall = await store.get('data', name, range, { keep: true, into: Buffer.alloc(49) });
  assert.deepEqual(tooSmall, bytes.subarray(100, 150));
  assert.equal(behind.asked.length, 0);
});

test('CachedStore makes the cache again when it is deleted at any time', async () => {
  const { store, directory } = fresh();
  const { name, bytes } = object(1000);
  await store.put('data', name, [bytes], KEEP);
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await store.get('data', name, { offset: 10, length: 20 }, KEEP), bytes.subarray(10, 30));
    rmSync(directory, { recursive: true });
    assert.deepEqual(await store.get('data', name, undefined, KEEP), bytes);
    assert.ok(existsSync(join(directory, 'data', name)));
  }
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'in the way');
  assert.deepEqual(await store.get('data', name, { offset: 10, length: 20 }, KEEP), bytes.subarray(10, 30));
  await store.put('index', name, [bytes]);
  assert.deepEqual(await names(store, 'index'), [name]);
});

test('a listing removes from the cache only what is gone from the store', async () => {
  const { behind, store, directory } = fresh();
  const [kept, gone] = [object(10), object(20)];
  for (const { name, bytes } of [kept, gone]) {
    await store.put('index', name, [bytes]);
    await store.put('data', name, [bytes], KEEP);
  }
  for (const type of ['index', 'data'] as const) {
    await behind.remove(type, gone.name);
    await names(store, type);
  }
  assert.deepEqual(cachedIn(directory, 'index'), [kept.name]);
  assert.equal(cachedIn(directory, 'data').length, 2);
  await store.retain('data', (name) => name === kept.name);
  assert.deepEqual(cachedIn(directory, 'data'), [kept.name]);
});

test('a listing that breaks off removes nothing from the cache', async () => {
  const { store, directory } = fresh();
  for (const { name, bytes } of [object(1), object(2), object(3)]) await store.put('index', name, [bytes]);
  for await (const _ of store.list('index')) break;
  assert.equal(cachedIn(directory, 'index').length, 3);
});

test('CachedStore does not cache an object that the store refuses', async () => {
  const { behind, store, directory } = fresh();
  const { name, bytes } = object(10);
  behind.put = () => Promise.reject(new Error('refused'));
  await assert.rejects(store.put('index', name, [bytes]), /refused/);
  assert.ok(!existsSync(join(directory, 'index', name)));
  await assert.rejects(store.get('index', name), isVarveError('not-found'));
});
