import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type EditEvent, type EditOptions, editSnapshots } from '../../src/copy/rewrite.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { openRepository } from '../../src/repository/opening/open.js';
import type { StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import type { Store } from '../../src/storage/store.js';
import { LATER, Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { DAY, Prunable } from '../prune/repository.js';

const scratch = scratchDirectory();
let number = 0;

async function filled(): Promise<Sandbox> {
  const sandbox = await Sandbox.create(join(scratch, `${number++}`));
  const { source } = sandbox;
  mkdirSync(join(source, 'home/anna/cache'), { recursive: true });
  for (let each = 0; each < 300; each++) writeFileSync(join(source, 'home/anna', `${each}.txt`), `text ${each}`);
  writeFileSync(join(source, 'home/anna/cache/big'), Buffer.alloc(3_000_000, 'big'));
  writeFileSync(join(source, 'home/anna/secret.KEY'), 'key');
  linkSync(join(source, 'home/anna/1.txt'), join(source, 'home/linked.tmp'));
  writeFileSync(join(source, 'z'), 'z');
  return sandbox;
}

async function rewrite(
  sandbox: Sandbox,
  changes: Partial<EditOptions>,
  snapshots?: readonly StoredSnapshot[],
): Promise<{ changed: number; failed: number; events: EditEvent[] }> {
  const events: EditEvent[] = [];
  const result = await editSnapshots(await sandbox.open(), snapshots ?? (await sandbox.snapshots()), {
    excludes: [],
    iexcludes: [],
    summary: false,
    forget: false,
    compression: 'auto',
    onEvent: (event) => events.push(event),
    ...changes,
  });
  return { ...result, events };
}

test('editSnapshots makes the tree of a backup with the same excludes', async () => {
  const sandbox = await filled();
  await sandbox.backup();
  const excludes = ['/**/anna/cache', '*.tmp', '!linked.tmp', '[12]?.txt'];
  const iexcludes = ['*.key'];
  const { changed } = await rewrite(sandbox, { excludes, iexcludes });
  assert.equal(changed, 1);
  const wanted = await sandbox.backup({ filter: { ...NO_FILTER, excludes, iexcludes }, parent: undefined });
  const rewritten = (await sandbox.snapshots()).find((each) => each.snapshot.tags.includes('rewrite'));
  assert.ok(rewritten);
  const { snapshot } = rewritten;
  assert.deepEqual(await sandbox.sourceIn(snapshot.root), await sandbox.sourceIn(wanted.snapshot.root));
  assert.equal(snapshot.summary?.total_files_processed, wanted.summary.total_files_processed);
  assert.equal(snapshot.summary?.total_bytes_processed, wanted.summary.total_bytes_processed);
  const { target } = await sandbox.restoreSource(snapshot.root);
  execFileSync('diff', ['-r', '-x', 'cache', '-x', '[12]?.txt', '-x', '*.KEY', sandbox.source, target]);
});

test('editSnapshots keeps the old snapshot and tags the new one, or replaces it when forget is set', async () => {
  const sandbox = await filled();
  const { id } = await sandbox.backup({ tags: ['x'] });
  await rewrite(sandbox, { excludes: ['z'] });
  const all = await sandbox.snapshots();
  const [old, fresh] = [all.find((each) => each.id === id), all.find((each) => each.id !== id)];
  assert.equal(old?.id, id);
  assert.deepEqual(fresh?.snapshot.tags, ['x', 'rewrite']);
  assert.equal(fresh?.snapshot.original?.toString('hex'), id);
  assert.deepEqual(fresh?.snapshot.time, old?.snapshot.time);
  await rewrite(sandbox, { excludes: ['home'], forget: true }, [fresh as StoredSnapshot]);
  const left = await sandbox.snapshots();
  const newest = left.find((each) => each.id !== id);
  assert.equal(left.length, 2);
  assert.deepEqual(newest?.snapshot.tags, ['x', 'rewrite']);
  assert.equal(newest?.snapshot.original?.toString('hex'), id, 'the first original, after several rewrites');
});

test('editSnapshots leaves a snapshot alone when nothing changes', async () => {
  const sandbox = await filled();
  const { id } = await sandbox.backup();
  const { changed, events } = await rewrite(sandbox, { excludes: ['nothing'], forget: true });
  assert.equal(changed, 0);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['unchanged'],
  );
  assert.deepEqual(
    (await sandbox.snapshots()).map((each) => each.id),
    [id],
  );
});

test('editSnapshots changes host, time and summary when they are given', async () => {
  const sandbox = await filled();
  await sandbox.backup();
  const time = { seconds: 1_600_000_000, nanoseconds: 0 };
  await rewrite(sandbox, { newHost: 'web9', newTime: time, forget: true });
  const [only] = await sandbox.snapshots();
  assert.deepEqual([only?.snapshot.host, only?.snapshot.time], ['web9', time]);
  assert.equal((await rewrite(sandbox, { summary: true, forget: true })).changed, 0, 'the counts are right');
});

test('editSnapshots stores nothing when it is a dry run', async () => {
  const sandbox = await filled();
  await sandbox.backup();
  const before = await objects(sandbox.store);
  const { changed, events } = await rewrite(sandbox, { excludes: ['z'], dryRun: true, forget: true });
  assert.equal(changed, 1);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['excluded', 'changed'],
  );
  assert.deepEqual(await objects(sandbox.store), before);
});

test('editSnapshots writes a directory once when snapshots share it', async () => {
  const sandbox = await filled();
  await sandbox.backup();
  writeFileSync(join(sandbox.source, 'later'), 'later');
  await sandbox.backup({ parent: 'latest' });
  const { events } = await rewrite(sandbox, { excludes: ['secret.KEY'], forget: true });
  assert.equal(events.filter(({ kind }) => kind === 'excluded').length, 1, 'the directory is visited once');
  assert.equal(events.filter(({ kind }) => kind === 'changed').length, 2);
  for (const { snapshot } of await sandbox.snapshots()) await sandbox.restoreSource(snapshot.root);
});

test('editSnapshots filters a directory by each of its paths when snapshots share it', async () => {
  const sandbox = await Sandbox.create(join(scratch, `${number++}`));
  mkdirSync(join(sandbox.source, 'a/sub'), { recursive: true });
  for (const name of ['x', 'y']) writeFileSync(join(sandbox.source, 'a/sub', name), name);
  await sandbox.backup();
  renameSync(join(sandbox.source, 'a'), join(sandbox.source, 'b'));
  await sandbox.backup({ parent: 'latest' });
  const { changed } = await rewrite(sandbox, { excludes: [join(sandbox.source, 'a/sub/x')], forget: true });
  assert.equal(changed, 1);
  const kept = (await sandbox.snapshots()).find(({ snapshot }) => snapshot.original === undefined);
  const { target } = await sandbox.restoreSource(kept?.snapshot.root ?? assert.fail());
  assert.deepEqual(readdirSync(join(target, 'b/sub')), ['x', 'y']);
});

test('editSnapshots works with a manage key and refuses when the key is an append key', async () => {
  const sandbox = await filled();
  await sandbox.backup();
  for (const role of ['manage', 'append'] as const) await sandbox.addKey(role, role);
  const open = (password: string) => openRepository(sandbox.store, { unlock: { password }, clock: LATER });
  const options = { excludes: ['z'], iexcludes: [], summary: false, forget: true, compression: 'auto' } as const;
  const snapshots = await sandbox.snapshots();
  await assert.rejects(editSnapshots(await open('append'), snapshots, options), /may only append/);
  assert.deepEqual(await editSnapshots(await open('manage'), snapshots, options), { changed: 1, failed: 0 });
  const [only] = await sandbox.snapshots();
  await sandbox.restoreSource(only?.snapshot.root ?? assert.fail());
});

test('editSnapshots stores blobs again when a prune condemns them during the run', async () => {
  const prunable = await Prunable.create(join(scratch, 'prunable'));
  const { sandbox } = prunable;
  prunable.write(['a', 'b', 'c', 'd']);
  await prunable.backup();
  for (const name of ['a', 'b', 'c']) prunable.remove(name);
  await prunable.backup();
  const [first, second] = await sandbox.snapshots();
  assert.ok(first !== undefined && second !== undefined);
  // Forget and prune the old snapshot after its tree is read and before the new snapshot is written.
  const { store } = sandbox;
  const put = store.put.bind(store);
  let pruned = false;
  store.put = async (type, ...rest) => {
    if (type === 'data' && !pruned) {
      pruned = true;
      await prunable.forget(first.id);
      prunable.now += 10;
      await prunable.prune({ graceSeconds: 0 });
    }
    return put(type, ...rest);
  };
  const { changed, failed } = await rewrite(sandbox, { excludes: ['d'] }, [first]);
  assert.deepEqual([pruned, changed, failed], [true, 1, 0]);
  prunable.now += 3 * DAY;
  const { reinstated } = await prunable.prune({ graceSeconds: 0 });
  assert.equal(reinstated.packs, 0, 'no snapshot needs what is condemned');
  for (const { snapshot } of await sandbox.snapshots()) await sandbox.restoreSource(snapshot.root);
  await prunable.verify();
});

async function objects(store: Store): Promise<string[]> {
  const names: string[] = [];
  for (const type of ['data', 'index', 'snapshots', 'locks'] as const)
    for await (const { name } of store.list(type)) names.push(name);
  return names.sort();
}
