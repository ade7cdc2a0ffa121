import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { DATA, TREE } from '../../src/format/content.js';
import type { Entry } from '../../src/format/entry.js';
import { encodeLease } from '../../src/format/lease.js';
import type { RecoveredSnapshot } from '../../src/repair/options.js';
import { recover } from '../../src/repair/recover.js';
import { repairIndex } from '../../src/repair/repair-index.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { putSigned, type Repository } from '../../src/repository/repository.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { components, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { digest, Prunable } from '../prune/repository.js';
import { Forge } from '../restore/crafted.js';

const scratch = scratchDirectory();
let number = 0;

const WHO = { host: 'test', user: 'anna', uid: 0, gid: 0, program: 'varve test' };

async function fresh(): Promise<Prunable> {
  const prunable = await Prunable.create(join(scratch, String(number++)));
  prunable.write(['a'], 300_000);
  return prunable;
}

const open = ({ store }: Prunable): Promise<Repository> =>
  openRepository(store, { unlock: { password: 'pebble' }, cacheDirectory: undefined });

async function recovered(prunable: Prunable): Promise<readonly RecoveredSnapshot[]> {
  return (await recover(await open(prunable), WHO)).snapshots;
}

async function snapshot(prunable: Prunable, id: string): Promise<StoredSnapshot> {
  const { snapshots } = await listSnapshots(await open(prunable));
  return snapshots.find((each) => each.id === id) as StoredSnapshot;
}

/** What is below each directory of the snapshot, by the directory's name. */
async function directoriesIn(prunable: Prunable, id: string): Promise<Map<string, string>> {
  const repository = await open(prunable);
  const trees = new TreeReader(await loadIndex(repository));
  const place = await trees.directory((await snapshot(prunable, id)).snapshot.root, components('/recovered'));
  const directories = new Map<string, string>();
  for await (const entry of trees.entries(place, ''))
    if (entry.content) directories.set(entry.name.toString(), await digest(repository, entry.entry().content as never));
  return directories;
}

const problems = async (prunable: Prunable): Promise<string[]> =>
  (await check(await open(prunable), { threads: 1 })).findings.map(({ message }) => message);

test('recover returns forgotten snapshots, each as a directory', async () => {
  const prunable = await fresh();
  const first = await prunable.backup();
  prunable.write(['b'], 300_000);
  const second = await prunable.backup();
  prunable.write(['c'], 300_000);
  await prunable.backup();
  const wanted = [first, second].map((id) => prunable.contents.get(id));
  assert.deepEqual(await recovered(prunable), []);
  await prunable.forget(first);
  await prunable.forget(second);
  const [made, ...more] = await recovered(prunable);
  assert.deepEqual([made?.directories, made?.isWhole, more], [2, true, []]);
  assert.deepEqual([...(await directoriesIn(prunable, made?.id as string)).values()].sort(), wanted.sort());
  const { snapshot: saved } = await snapshot(prunable, made?.id as string);
  assert.deepEqual([saved.tags, saved.paths.map(String)], [['recovered'], ['/recovered']]);
  assert.deepEqual(await problems(prunable), []);
  assert.deepEqual(await recovered(prunable), [], 'it refers to them now');
  await prunable.prune({ graceSeconds: 0 });
  assert.deepEqual(await problems(prunable), []);
});

test('recover returns the directories of a damaged snapshot', async () => {
  const prunable = await fresh();
  const id = await prunable.backup();
  await prunable.beneath.plant('snapshots', id, randomBytes(500));
  const [made] = await recovered(prunable);
  assert.deepEqual([...(await directoriesIn(prunable, made?.id as string)).values()], [prunable.contents.get(id)]);
});

/** Bytes of a part of a directory that is one blob. */
const PIECE = 10_000;

const entries = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    name: Buffer.from(`${String(at).padStart(6, '0')} ${'x'.repeat(200)}`),
    target: Buffer.from(`target ${at}`),
  }));

/** Names of what is in the only directory that was recovered. */
async function namesIn(prunable: Prunable, id: string): Promise<string[]> {
  const trees = new TreeReader(await loadIndex(await open(prunable)));
  const place = await trees.directory((await snapshot(prunable, id)).snapshot.root, components('/recovered'));
  const names: string[] = [];
  for await (const directory of trees.entries(place, '')) {
    const content = directory.entry().content as Entry['content'];
    for await (const { name } of trees.entries(content as never, '')) names.push(name.toString());
  }
  return names;
}

test('recover joins the blobs of a directory', async () => {
  const prunable = await fresh();
  await prunable.backup();
  const forge = new Forge(await open(prunable));
  const bytes = forge.encoded(...entries(300));
  // Too short to be cut, and cut within entries: between two of them nothing would tell that they were in one directory.
  for (let at = 0; at < bytes.length; at += PIECE) forge.content(bytes.subarray(at, at + PIECE), TREE);
  await forge.finish();
  const [made] = await recovered(prunable);
  assert.deepEqual([made?.directories, made?.isWhole], [1, true]);
  const names = await namesIn(prunable, made?.id as string);
  assert.deepEqual(
    names,
    entries(300).map(({ name }) => name.toString()),
  );
  assert.deepEqual(await problems(prunable), []);
});

test('recover returns the readable entries of a truncated directory', async () => {
  const prunable = await fresh();
  await prunable.backup();
  const forge = new Forge(await open(prunable));
  forge.content(forge.encoded(...entries(100)).subarray(0, 10_000), TREE);
  // What goes on otherwise, and is no directory.
  forge.content(randomBytes(5000), TREE);
  await forge.finish();
  const [made] = await recovered(prunable);
  assert.deepEqual([made?.directories, made?.isWhole], [1, false]);
  const names = await namesIn(prunable, made?.id as string);
  assert.ok(names.length > 20 && names.length < 100);
  assert.deepEqual(await problems(prunable), [], 'what is there is sound');
});

test('recover puts incomplete directories into a snapshot of their own', async () => {
  const prunable = await fresh();
  const first = await prunable.backup();
  rmSync(join(prunable.sandbox.source, 'a'));
  prunable.write(['b'], 300_000);
  const second = await prunable.backup();
  const { index } = await loadIndex(await open(prunable));
  const ids = Array.from({ length: index.packCount }, (_, pack) => pack);
  const lost = ids.find((pack) => index.packKind(pack) === DATA) as number;
  await prunable.store.remove('data', index.packName(lost));
  await repairIndex(await open(prunable));
  await prunable.forget(first);
  await prunable.forget(second);
  const made = await recovered(prunable);
  assert.deepEqual(
    made.map(({ directories, isWhole }) => [directories, isWhole]),
    [
      [1, true],
      [1, false],
    ],
  );
  const tags = await Promise.all(made.map(async ({ id }) => (await snapshot(prunable, id)).snapshot.tags));
  assert.deepEqual(tags, [['recovered'], ['recovered', 'incomplete']]);
  assert.equal((await directoriesIn(prunable, made[0]?.id as string)).size, 1);
  await prunable.forget(made[1]?.id as string);
  assert.deepEqual(await problems(prunable), []);
});

test('recover refuses append keys, and any key while a prune runs', async () => {
  const prunable = await fresh();
  await prunable.forget(await prunable.backup());
  await prunable.sandbox.addKey('append', 'robot');
  const robot = await openRepository(prunable.store, { unlock: { password: 'robot' }, cacheDirectory: undefined });
  await assert.rejects(recover(robot, WHO), isVarveError('role', /recover snapshots/));
  const time = { seconds: Math.floor(prunable.now), nanoseconds: 0 };
  const lease = { time, since: time, id: randomBytes(16), operation: 'prune', host: 'other', user: 'x', pid: 7 };
  await putSigned(await open(prunable), 'lease', encodeLease(lease));
  await assert.rejects(recovered(prunable), isVarveError('locked', /prune is at work/));
});
