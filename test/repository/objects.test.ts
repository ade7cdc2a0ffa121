import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeIndexObject, type IndexObject } from '../../src/format/index-object.js';
import { encodeLease } from '../../src/format/lease.js';
import { encodeSnapshot, type Snapshot } from '../../src/format/snapshot.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { loadAndAdopt } from '../../src/repository/index/orphans.js';
import { addKeySlot } from '../../src/repository/keys/key-slots.js';
import { HeldLease, listLeases } from '../../src/repository/leases/leases.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { putSigned, type Repository } from '../../src/repository/repository.js';
import { findSnapshot, listSnapshots, matchesFilter, writeSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { Forge } from '../restore/crafted.js';

const scratch = scratchDirectory();

async function fresh(): Promise<{
  store: MemoryStore;
  full: Repository;
  as: (role: 'append' | 'manage') => Promise<Repository>;
}> {
  const store = new MemoryStore();
  const full = await initRepository(store, { unlock: { password: 'full' }, user: 'anna', host: 'test', logN: 10 });
  const as = async (role: 'append' | 'manage'): Promise<Repository> => {
    await addKeySlot(full, { role, unlock: { password: role }, user: role, host: 'test', logN: 10 });
    return openRepository(store, { unlock: { password: role } });
  };
  return { store, full, as };
}

/** Stores a pack with these bytes, and lists it. @returns the id of its blob, and the names of pack and index object */
async function storePack(repository: Repository, bytes: Buffer): Promise<{ id: Buffer; pack: Buffer; index: Buffer }> {
  const list = async (type: 'data' | 'index'): Promise<Set<string>> => {
    const names = new Set<string>();
    for await (const { name } of repository.store.list(type)) names.add(name);
    return names;
  };
  const [packs, indexes] = [await list('data'), await list('index')];
  const forge = new Forge(repository);
  const { ids } = forge.content(bytes);
  await forge.finish();
  const [pack] = [...(await list('data'))].filter((name) => !packs.has(name));
  const [index] = [...(await list('index'))].filter((name) => !indexes.has(name));
  return { id: ids, pack: Buffer.from(pack as string, 'hex'), index: Buffer.from(index as string, 'hex') };
}

const NOTHING: IndexObject = { time: { seconds: 1, nanoseconds: 0 }, replaces: [], condemned: [], packs: [] };
const write = (repository: Repository, changes: Partial<IndexObject>): Promise<string> =>
  putSigned(repository, 'index', encodeIndexObject({ ...NOTHING, ...changes }));

test('loadIndex heeds replacements by manage and full keys, not by append keys', async () => {
  for (const role of ['append', 'manage', 'full'] as const) {
    const { full, as } = await fresh();
    const { id, index } = await storePack(full, Buffer.from('content'));
    const writer = role === 'full' ? full : await as(role);
    await write(writer, { replaces: [index] });
    const loaded = await loadIndex(full);
    assert.equal(loaded.index.find(id) >= 0, role === 'append', role);
  }
});

test('loadIndex heeds condemnations by manage and full keys, not by append keys', async () => {
  for (const role of ['append', 'manage', 'full'] as const) {
    const { full, as } = await fresh();
    const first = await storePack(full, Buffer.from('first'));
    const second = await storePack(full, Buffer.from('second'));
    const writer = role === 'full' ? full : await as(role);
    await write(writer, { condemned: [{ pack: first.pack, time: { seconds: 2, nanoseconds: 0 } }] });
    const { index, condemned, packs } = await loadIndex(full);
    assert.ok(index.find(first.id) >= 0);
    assert.equal(index.has(first.id), role === 'append', role);
    assert.ok(index.has(second.id));
    assert.deepEqual([...condemned], role === 'append' ? [] : [first.pack.toString('hex')]);
    assert.equal(packs.size, 2);
  }
});

test('loadIndex prefers the other copy when one is in a condemned pack', async () => {
  const { full } = await fresh();
  const first = await storePack(full, Buffer.from('same'));
  const second = await storePack(full, Buffer.from('same'));
  assert.deepEqual(first.id, second.id);
  for (const gone of [first, second]) {
    const kept = gone === first ? second : first;
    const name = await write(full, { condemned: [{ pack: gone.pack, time: { seconds: 2, nanoseconds: 0 } }] });
    const { index } = await loadIndex(full);
    assert.ok(index.has(first.id));
    assert.equal(index.packName(index.locate(index.find(first.id)).pack), kept.pack.toString('hex'));
    await full.store.remove('index', name);
  }
});

test('loadIndex ignores an object that is gone before it is fetched, and names a damaged one', async () => {
  const { full, store } = await fresh();
  const { index, id } = await storePack(full, Buffer.from('content'));
  const name = index.toString('hex');
  const bytes = await store.get('index', name);
  await store.remove('index', name);
  const list = store.list.bind(store);
  store.list = async function* (type) {
    yield* list(type);
    if (type === 'index') yield { name, size: bytes.length };
  };
  assert.equal((await loadIndex(full)).index.find(id), -1);
  bytes[50] = (bytes[50] as number) ^ 1;
  await store.put('index', name, [bytes]);
  await assert.rejects(loadIndex(full), isVarveError('damaged', new RegExp(`^index/${name}: `)));
});

const SNAPSHOT: Snapshot = {
  time: { seconds: 1000, nanoseconds: 0 },
  host: 'anna',
  user: 'anna',
  uid: 0,
  gid: 0,
  paths: [Buffer.from('/home')],
  tags: ['a', 'b'],
  excludes: [],
  parent: undefined,
  original: undefined,
  root: { size: 0, depth: 0, ids: Buffer.alloc(0) },
  program: 'test',
  summary: undefined,
};

test('listSnapshots sorts by time, and reports a damaged snapshot beside the others', async () => {
  const { full, store } = await fresh();
  const ids: string[] = [];
  for (const seconds of [3000, 1000, 2000])
    ids.push(await writeSnapshot(full, { ...SNAPSHOT, time: { seconds, nanoseconds: 5 } }));
  const [last, first, middle] = ids as [string, string, string];
  const listed = await listSnapshots(full);
  assert.deepEqual(
    listed.snapshots.map(({ id }) => id),
    [first, middle, last],
  );
  assert.deepEqual(listed.snapshots[0]?.snapshot, { ...SNAPSHOT, time: { seconds: 1000, nanoseconds: 5 } });
  const bytes = await store.get('snapshots', middle);
  bytes[60] = (bytes[60] as number) ^ 1;
  await store.remove('snapshots', middle);
  await store.put('snapshots', middle, [bytes]);
  const again = await listSnapshots(full);
  assert.deepEqual(
    again.snapshots.map(({ id }) => id),
    [first, last],
  );
  assert.equal(again.failures.length, 1);
  assert.match(again.failures[0]?.error.message ?? '', new RegExp(`^snapshots/${middle}: `));
});

test('listSnapshots reports a snapshot when its payload is not one', async () => {
  const { full } = await fresh();
  const good = await writeSnapshot(full, SNAPSHOT);
  const bad = await putSigned(full, 'snapshot', encodeSnapshot(SNAPSHOT).subarray(0, 50));
  const { snapshots, failures } = await listSnapshots(full);
  assert.deepEqual(
    snapshots.map(({ id }) => id),
    [good],
  );
  assert.deepEqual(
    failures.map(({ id }) => id),
    [bad],
  );
});

test('findSnapshot finds by latest, by id and by prefix, and heeds filters', async () => {
  const { full } = await fresh();
  const at = (seconds: number, changes: Partial<Snapshot>): Promise<string> =>
    writeSnapshot(full, { ...SNAPSHOT, time: { seconds, nanoseconds: 0 }, ...changes });
  const first = await at(1, { host: 'one', tags: [] });
  const second = await at(2, { host: 'two', paths: [Buffer.from('/home'), Buffer.from('/srv')] });
  const third = await at(3, { host: 'one' });
  const { snapshots } = await listSnapshots(full);
  const find = (name: string, filter = {}): string => findSnapshot({ snapshots, failures: [] }, name, filter).id;
  assert.equal(find('latest'), third);
  assert.equal(find('latest', { hosts: ['two'] }), second);
  assert.equal(find('latest', { hosts: ['two', 'one'] }), third);
  assert.equal(find('latest', { paths: [Buffer.from('/srv')] }), second);
  assert.equal(find('latest', { tags: ['b,a'] }), third);
  assert.equal(find('latest', { tags: [''] }), first);
  assert.equal(find('latest', { tags: ['c', 'a'], hosts: ['two'] }), second);
  for (const id of [first, second, third]) {
    assert.equal(find(id), id);
    assert.equal(find(id.slice(0, 12)), id);
  }
  assert.throws(() => find('latest', { hosts: ['three'] }), isVarveError('not-found'));
  assert.throws(() => find('latest', { tags: ['a,c'] }), isVarveError('not-found'));
  assert.throws(() => find('xyz'), isVarveError('not-found'));
  assert.throws(() => find(`${first}0`), isVarveError('not-found'));
  const alike = snapshots.map((each, at) => ({ ...each, id: `ab${at}` }));
  assert.throws(
    () => findSnapshot({ snapshots: alike, failures: [] }, 'ab'),
    isVarveError('ambiguous', /matches 3 snapshots/),
  );
  const signed = { snapshot: SNAPSHOT, slot: 'ab12', label: 'anna@desk' };
  assert.ok(matchesFilter(signed, { hosts: ['anna'], tags: ['a'], paths: [Buffer.from('/home')] }));
  assert.ok(!matchesFilter(signed, { hosts: ['anna'], tags: ['a'], paths: [Buffer.from('/other')] }));
  for (const signer of ['ab', 'anna@desk']) assert.ok(matchesFilter(signed, { signers: ['other', signer] }));
  assert.ok(!matchesFilter(signed, { signers: ['b1', 'anna'] }));
});

test('listLeases calls a lease stale when it is old, or its process on this host has ended', async () => {
  const store = new MemoryStore(() => now);
  let now = 1_000_000;
  const full = await initRepository(store, { unlock: { password: 'x' }, user: 'a', host: 'b', logN: 10 });
  const held = await HeldLease.acquire(full, 'backup');
  const time = { seconds: now, nanoseconds: 0 };
  const other = { time, since: time, id: randomBytes(16), operation: 'backup', user: 'x' };
  const gone = await putSigned(full, 'lease', encodeLease({ ...other, host: hostname(), pid: 2 ** 22 + 5 }));
  const elsewhere = await putSigned(
    full,
    'lease',
    encodeLease({ ...other, host: `not ${hostname()}`, pid: 2 ** 22 + 5 }),
  );
  await store.put('locks', 'ab'.repeat(32), [Buffer.from('damaged')]);
  const stale = async (): Promise<Map<string, boolean>> =>
    new Map((await listLeases(full)).map((each) => [each.name, each.stale]));
  let found = await stale();
  assert.equal(found.size, 3);
  assert.equal(found.get(gone), true);
  assert.equal(found.get(elsewhere), false);
  now += 31 * 60;
  found = await stale();
  assert.ok([...found.values()].every(Boolean));
  await held.release();
  assert.equal((await stale()).size, 2);
});

test('loadAndAdopt lists unlisted packs when a backup was interrupted, and only then', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'orphans'));
  mkdirSync(join(sandbox.source, 'directory'));
  for (let i = 0; i < 10; i++) writeFileSync(join(sandbox.source, 'directory', `file ${i}`), randomBytes(100_000));
  const { snapshot } = await sandbox.backup();
  for await (const { name } of sandbox.store.list('index')) await sandbox.store.remove('index', name);
  const untouched = await loadAndAdopt(await sandbox.open());
  assert.equal(untouched.adopted, 0, 'without a stale lease nothing is looked for');
  const repository = await sandbox.open();
  const lease = {
    time: { seconds: 1, nanoseconds: 0 },
    since: { seconds: 1, nanoseconds: 0 },
    id: randomBytes(16),
    operation: 'backup',
    host: hostname(),
    user: 'x',
    pid: 2 ** 22 + 5,
  };
  await putSigned(repository, 'lease', encodeLease(lease));
  await sandbox.store.put('data', 'cd'.repeat(32), [randomBytes(5000)]);
  const { adopted, repository: indexed } = await loadAndAdopt(await sandbox.open());
  assert.equal(adopted, 2, 'a pack of data and one of trees; what is no pack is left');
  assert.equal(indexed.packs.size, 2);
  assert.equal((await listLeases(repository)).length, 0, 'the stale lease is removed');
  assert.equal((await loadAndAdopt(await sandbox.open())).adopted, 0);
  assert.deepEqual((await sandbox.restoreSource(snapshot.root)).events, []);
  const again = await sandbox.backup();
  assert.equal(again.summary.data_blobs, 0);
});

test('LocalState returns undefined when a value is damaged or another slot’s', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'remembered'));
  const { local } = await sandbox.open();
  local.write('thing', [1, 'two', Buffer.from('three')]);
  assert.deepEqual(JSON.stringify(local.read('thing')), JSON.stringify([1, 'two', Buffer.from('three')]));
  assert.equal(local.read('other'), undefined);
  const cache = join(sandbox.directory, 'cache');
  const [file] = readdirSync(cache, { recursive: true })
    .map(String)
    .filter((path) => path.endsWith('/thing'));
  const path = join(cache, file as string);
  const bytes = readFileSync(path);
  assert.ok(!bytes.includes('three'));
  for (const wrong of [
    bytes.subarray(1),
    Buffer.alloc(0),
    Buffer.concat([bytes, bytes]),
    Buffer.from(bytes).fill((bytes[20] as number) ^ 1, 20, 21),
  ]) {
    writeFileSync(path, wrong);
    assert.equal(local.read('thing'), undefined);
  }
  rmSync(cache, { recursive: true });
  writeFileSync(cache, 'no directory');
  writeFileSync(join(sandbox.source, 'file'), 'content');
  assert.ok((await sandbox.backup()).id, 'without a cache it is only slower');
});
