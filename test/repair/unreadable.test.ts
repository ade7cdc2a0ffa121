import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import type { Finding } from '../../src/check/findings.js';
import { scrub } from '../../src/check/scrub.js';
import { ALL } from '../../src/check/subset.js';
import { DATA, TREE } from '../../src/format/content.js';
import { prune } from '../../src/prune/prune.js';
import { recover } from '../../src/repair/recover.js';
import { repairIndex } from '../../src/repair/repair-index.js';
import { repairPacks } from '../../src/repair/repair-packs.js';
import { repairSnapshots } from '../../src/repair/repair-snapshots.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { ObjectType } from '../../src/storage/store.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { Prunable } from '../prune/repository.js';
import { FailingDisk, REASONS } from './failing-disk.js';

const scratch = scratchDirectory();
let number = 0;
const WHO = { host: 'test', user: 'anna', uid: 0, gid: 0, program: 'varve test' };
const KEPT: readonly ObjectType[] = ['keys', 'data', 'index', 'snapshots'];
const REPAIRS = /varve (repair|forget|recover|key add)|delete the object/;

const AT_ONCE = {
  maxUnused: { bytes: 0 },
  maxRepack: Number.POSITIVE_INFINITY,
  repackSmall: false,
  graceSeconds: 0,
  dryRun: false,
};

interface Failing {
  readonly prunable: Prunable;
  readonly disk: FailingDisk;
}

async function backedUp(): Promise<Failing> {
  let disk: FailingDisk | undefined;
  const prunable = await Prunable.create(join(scratch, String(number++)), (store) => {
    disk = new FailingDisk(store);
    return disk;
  });
  prunable.write(['a', 'b'], 300_000);
  await prunable.backup();
  return { prunable, disk: disk as unknown as FailingDisk };
}

const open = ({ store }: Prunable): Promise<Repository> =>
  openRepository(store, { unlock: { password: 'pebble' }, cacheDirectory: undefined });

async function objectsOf(prunable: Prunable): Promise<string[]> {
  const names = await Promise.all(KEPT.map((type) => prunable.names(type)));
  return names.flat();
}

/** The name of an object of each kind that may be unreadable while the repository can be opened. */
async function victims(prunable: Prunable): Promise<Record<string, string>> {
  const { index } = await loadIndex(await open(prunable));
  const packs = Array.from({ length: index.packCount }, (_, pack) => pack);
  const ofKind = (kind: number): string =>
    index.packName(packs.find((pack) => index.packKind(pack) === kind) as number);
  const [snapshot] = await prunable.names('snapshots');
  const [object] = await prunable.names('index');
  return { data: ofKind(DATA), trees: ofKind(TREE), snapshot: snapshot as string, index: object as string };
}

const saysSound = ({ unreadable, uncertain, advice }: Finding): boolean =>
  (unreadable || uncertain) && !REPAIRS.test(advice);

for (const [reason, error] of Object.entries(REASONS)) {
  test(`check calls nothing damaged when the store answers with ${reason}`, async () => {
    const { prunable, disk } = await backedUp();
    for (const [kind, name] of Object.entries(await victims(prunable))) {
      disk.failing.clear();
      disk.failing.set(name, error);
      const result = await check(await open(prunable), { readData: ALL, threads: 1 });
      assert.ok(result.findings.length > 0, kind);
      assert.ok(result.findings.every(saysSound), `${kind}: ${result.findings.map(({ advice }) => advice)}`);
      assert.deepEqual([result.brokenPacks, result.suggestRepairIndex, result.suggestPrune], [[], false, false], kind);
      const scrubbed = await scrub(prunable.store, { threads: 1 });
      assert.deepEqual(scrubbed.findings.map(saysSound), [true], kind);
    }
  });

  test(`no repair removes or changes anything when the store answers with ${reason}`, async () => {
    const { prunable, disk } = await backedUp();
    const before = await objectsOf(prunable);
    const { data, trees, snapshot, index } = (await victims(prunable)) as Record<
      'data' | 'trees' | 'snapshot' | 'index',
      string
    >;
    const copies: string[] = [];
    for (const name of [data, trees]) {
      disk.failing.clear();
      disk.failing.set(name, error);
      const keepCopy = async (kept: string): Promise<void> => void copies.push(kept);
      const packs = await repairPacks(await open(prunable), [name], { keepCopy });
      assert.deepEqual([packs.removed, packs.unreadable, packs.lost], [[], [name], []]);
      const found = await repairIndex(await open(prunable));
      assert.deepEqual([found.unreadablePacks, found.damagedPacks, found.written], [[name], [], []]);
      assert.deepEqual(await objectsOf(prunable), before);
    }
    assert.deepEqual(copies, [], 'a copy of what could not be read is none');
    disk.failing.set(trees, error);
    assert.ok((await recover(await open(prunable), WHO)).unreadable > 0);
    const { snapshots } = await listSnapshots(await open(prunable));
    const repair = repairSnapshots(await open(prunable), snapshots, { forget: true, compression: 'auto' });
    await assert.rejects(repair, { code: error('').code });
    for (const name of [trees, snapshot, index]) {
      disk.failing.clear();
      disk.failing.set(name, error);
      await assert.rejects(prune(await open(prunable), AT_ONCE), { code: error('').code }, name);
    }
    disk.failing.clear();
    disk.failing.set(index, error);
    await assert.rejects(repairIndex(await open(prunable)), { code: error('').code });
    disk.failing.clear();
    assert.deepEqual(await objectsOf(prunable), before);
    await prunable.verify();
  });
}

test('repair packs leaves a pack as it is when one sector of it cannot be read', async () => {
  const { prunable, disk } = await backedUp();
  const { data } = (await victims(prunable)) as { data: string };
  disk.failing.set(data, REASONS['an input/output error'] as never);
  disk.sector = 1000;
  const keepCopy = (): Promise<void> => assert.fail('a copy with zeros in it is none');
  const { removed, unreadable } = await repairPacks(await open(prunable), [data], { keepCopy });
  assert.deepEqual([removed, unreadable], [[], [data]]);
});

test('prune keeps a pack that it cannot copy, and goes on', async () => {
  const { prunable, disk } = await backedUp();
  const first = (await prunable.names('snapshots'))[0] as string;
  prunable.remove('a');
  await prunable.backup();
  await prunable.forget(first);
  const { data } = (await victims(prunable)) as { data: string };
  disk.failing.set(data, REASONS['permission denied'] as never);
  const result = await prunable.prune({ graceSeconds: 0 });
  assert.equal(result.errors, 1);
  assert.match(result.events.flatMap((event) => (event.kind === 'not-copied' ? [event.message] : [])).join(), /denied/);
  disk.failing.clear();
  await prunable.verify();
});

test('repair index keeps a damaged index object while a pack cannot be read', async () => {
  const { prunable, disk } = await backedUp();
  const { data, index } = (await victims(prunable)) as { data: string; index: string };
  await prunable.beneath.plant('index', index, Buffer.from('nothing'));
  disk.failing.set(data, REASONS['permission denied'] as never);
  const { written, unreadablePacks } = await repairIndex(await open(prunable));
  assert.deepEqual([written, unreadablePacks], [[], [data]]);
  assert.deepEqual(await prunable.names('index'), [index]);
  disk.failing.clear();
  assert.equal((await repairIndex(await open(prunable))).written.length, 1);
  await prunable.verify();
});

interface Parity {
  readonly sandbox: Sandbox;
  readonly disk: FailingDisk;
  readonly packs: Record<'data' | 'trees', string>;
}

async function withParity(): Promise<Parity> {
  const disk = new FailingDisk(new MemoryStore());
  const sandbox = await Sandbox.create(join(scratch, String(number++)), { store: disk, parity: 10 });
  for (const name of ['a', 'b']) writeFileSync(join(sandbox.source, name), randomBytes(700_000));
  await sandbox.backup({ threads: 1 });
  const { index } = await sandbox.indexed();
  const packs = { data: '', trees: '' };
  for (let pack = 0; pack < index.packCount; pack++)
    packs[index.packKind(pack) === TREE ? 'trees' : 'data'] = index.packName(pack);
  return { sandbox, disk, packs };
}

const openParity = ({ disk }: Parity): Promise<Repository> =>
  openRepository(disk, { unlock: { password: 'pebble' }, cacheDirectory: undefined });

async function flip({ disk }: Parity, name: string, at: number): Promise<Buffer> {
  const original = await disk.get('data', name);
  const bytes = Buffer.from(original);
  bytes[at < 0 ? bytes.length + at : at] = (bytes.at(at) as number) ^ 1;
  await disk.replace('data', name, [bytes]);
  return original;
}

test('repair packs heals by parity first: nothing is lost and nothing removed', async () => {
  const box = await withParity();
  const { data, trees } = box.packs;
  const keepCopy = (): Promise<void> => assert.fail('a healed pack is not removed');
  for (const name of [data, trees]) {
    const original = await flip(box, name, 10);
    const result = await repairPacks(await openParity(box), [name], { keepCopy });
    assert.deepEqual([result.healed, result.removed, result.lost], [[name], [], []]);
    assert.ok((await box.disk.get('data', name)).equals(original));
  }
  box.disk.failing.set(data, REASONS['an input/output error'] as never);
  box.disk.sector = 10;
  assert.deepEqual((await repairPacks(await openParity(box), [data], { keepCopy })).healed, [data]);
});

test('repair index, repair snapshots and recover heal packs by parity first', async () => {
  const box = await withParity();
  const { trees } = box.packs;
  const original = await flip(box, trees, -5);
  const [object] = await namesOf(box.disk, 'index');
  await box.disk.remove('index', object as string);
  const found = await repairIndex(await openParity(box));
  assert.deepEqual([found.damagedPacks, found.added], [[], 2]);
  assert.ok((await box.disk.get('data', trees)).equals(original));

  await flip(box, trees, 10);
  const { snapshots } = await listSnapshots(await openParity(box));
  const repaired = await repairSnapshots(await openParity(box), snapshots, { forget: true, compression: 'auto' });
  assert.deepEqual([repaired.changed, repaired.failed], [0, 0]);
  assert.ok((await box.disk.get('data', trees)).equals(original));

  for (const { id } of snapshots) await box.disk.remove('snapshots', id);
  await flip(box, trees, 10);
  const { snapshots: made, unreadable } = await recover(await openParity(box), WHO);
  assert.deepEqual([made.map(({ isWhole }) => isWhole), unreadable], [[true], 0]);
});

async function namesOf(disk: FailingDisk, type: ObjectType): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of disk.list(type)) names.push(name);
  return names;
}
