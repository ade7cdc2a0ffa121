import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { addKeySlot } from '../../src/repository/keys/key-slots.js';
import { openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { changedTags, retag } from '../../src/retention/tags.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { newRepository, StubbornStore, writeDays } from './repository.js';

const scratch = scratchDirectory();
let number = 0;

test('changedTags adds at the end without duplicates, removes and sets', () => {
  assert.deepEqual(changedTags(['a', 'b'], { add: ['c', 'a'], remove: ['b'] }), ['a', 'c']);
  assert.deepEqual(changedTags(['a', 'b'], { set: ['b'] }), ['b']);
  assert.deepEqual(changedTags(['a', 'b'], { set: [] }), []);
});

test('changedTags returns nothing when nothing changes', () => {
  assert.equal(changedTags(['a', 'b'], { add: ['b'], remove: ['c'] }), undefined);
  assert.equal(changedTags(['a', 'b'], { set: ['a', 'b'] }), undefined);
  assert.equal(changedTags([], { set: [] }), undefined);
});

/** A repository with one snapshot. */
async function oneSnapshot(): Promise<{ store: StubbornStore; repository: Repository; stored: StoredSnapshot }> {
  const store = await StubbornStore.open(join(scratch, String(number++)));
  const repository = await newRepository(store);
  const [stored] = await writeDays(repository, ['2024-05-01'], { tags: ['a'] });
  assert.ok(stored);
  store.log.length = 0;
  return { store, repository, stored };
}

async function only(repository: Repository): Promise<StoredSnapshot> {
  const { snapshots } = await listSnapshots(repository);
  assert.equal(snapshots.length, 1);
  return snapshots[0] as StoredSnapshot;
}

test('retag stores the new snapshot first, and changes only tags and original', async () => {
  const { store, repository, stored } = await oneSnapshot();
  const id = await retag(repository, stored, { add: ['b'], remove: [] });
  assert.deepEqual(store.log, [`put snapshots/${id}`, `remove snapshots/${stored.id}`]);
  const { snapshot } = await only(repository);
  assert.deepEqual({ ...snapshot, tags: ['a'], original: undefined }, stored.snapshot);
  assert.deepEqual(snapshot.tags, ['a', 'b']);
  assert.equal(snapshot.original?.toString('hex'), stored.id);
});

test('retag keeps the original of the first change', async () => {
  const { repository, stored } = await oneSnapshot();
  await retag(repository, stored, { add: ['b'], remove: [] });
  await retag(repository, await only(repository), { add: ['c'], remove: [] });
  const { snapshot } = await only(repository);
  assert.deepEqual(snapshot.tags, ['a', 'b', 'c']);
  assert.equal(snapshot.original?.toString('hex'), stored.id);
});

test('retag writes nothing when nothing changes', async () => {
  const { store, repository, stored } = await oneSnapshot();
  assert.equal(await retag(repository, stored, { add: ['a'], remove: [] }), undefined);
  assert.deepEqual(store.log, []);
});

test('retag reports an old snapshot that cannot be removed, and keeps the new one', async () => {
  const { store, repository, stored } = await oneSnapshot();
  store.stubborn.add(stored.id);
  await assert.rejects(retag(repository, stored, { set: [] }), /has the new tags, but the old one, .* is still there/);
  assert.equal((await listSnapshots(repository)).snapshots.length, 2);
});

test('retag needs a manage key, which signs', async () => {
  const { store, repository, stored } = await oneSnapshot();
  const withRole = async (role: 'append' | 'manage') => {
    const unlock = { password: role };
    await addKeySlot(repository, { role, unlock, user: 'b', host: role, logN: 10 });
    return openRepository(store, { unlock });
  };
  await assert.rejects(retag(await withRole('append'), stored, { set: ['x'] }), {
    code: 'role',
    message: 'this key may only append: cannot change tags; use a manage or full key',
  });
  await retag(await withRole('manage'), stored, { set: ['x'] });
  const changed = await only(repository);
  assert.deepEqual([changed.snapshot.tags, changed.label], [['x'], 'b@manage']);
});
