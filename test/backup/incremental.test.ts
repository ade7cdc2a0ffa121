import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { share } from '../whole.js';
import { step } from './random-steps.js';
import { apply, empty } from './random-tree.js';
import { type Changes, QUIET, Sandbox, scratchDirectory, undisturbed } from './sandbox.js';
import { assertSameTree, treeImage } from './tree-image.js';

const scratch = scratchDirectory(QUIET);

test('backup with a parent equals one without after any change, and restores the tree', {
  timeout: 240_000,
}, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'random'));
  const steps = fc.array(step, { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.array(fc.array(step, { maxLength: 8 }), { minLength: 2, maxLength: 2 }),
      async (initial, changes) => {
        empty(sandbox.source);
        apply(sandbox.source, initial);
        await sandbox.backup();
        for (const change of changes) {
          apply(sandbox.source, change);
          const image = treeImage(sandbox.source);
          const incremental = await sandbox.backup({ parent: 'latest' });
          const full = await sandbox.backup({ threads: 1 });
          const [left, right] = [incremental.snapshot.root, full.snapshot.root];
          assert.deepEqual(await sandbox.sourceIn(left), await sandbox.sourceIn(right));
          assert.equal(full.summary.data_blobs, 0, 'all content was there already');
          assert.equal(incremental.summary.total_bytes_processed, full.summary.total_bytes_processed);
          assert.equal(incremental.summary.total_files_processed, full.summary.total_files_processed);
          const { target, progress } = await sandbox.restoreSource(incremental.snapshot.root);
          assert.equal(progress.errors, 0);
          assertSameTree(target, image);
          rmSync(target, { recursive: true });
        }
      },
    ),
    { ...share(2, 8), endOnFailure: true },
  );
});

/** A few files and directories of different ages. */
function fill(root: string): void {
  mkdirSync(join(root, 'folder/below'), { recursive: true });
  writeFileSync(join(root, 'large'), randomBytes(3_000_000));
  for (let i = 0; i < 30; i++)
    writeFileSync(join(root, i % 2 === 0 ? 'folder' : 'folder/below', `file ${i}`), randomBytes(1000 * i));
  symlinkSync('large', join(root, 'link'));
}

test('backup of unchanged files stores nothing and has the same tree', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'unchanged'));
  fill(sandbox.source);
  const objects = async (type: 'data' | 'index'): Promise<number> => {
    let count = 0;
    for await (const _ of sandbox.store.list(type)) count++;
    return count;
  };
  const whole = await sandbox.backup();
  assert.ok(whole.summary.data_blobs > 0 && whole.summary.files_new === 31);
  const { first, before, second, third } = await undisturbed(sandbox.source, async () => ({
    first: await sandbox.backup(),
    before: [await objects('data'), await objects('index')],
    second: await sandbox.backup({ parent: 'latest' }),
    third: await sandbox.backup({ parent: 'latest', skipIfUnchanged: true }),
  }));
  assert.deepEqual(second.snapshot.root, first.snapshot.root);
  const { data_blobs, tree_blobs, data_added, files_new, files_changed, files_unmodified } = second.summary;
  assert.deepEqual([data_blobs, tree_blobs, data_added, files_new, files_changed], [0, 0, 0, 0, 0]);
  assert.equal(files_unmodified, 31);
  assert.deepEqual([await objects('data'), await objects('index')], before);
  assert.deepEqual(second.snapshot.parent, Buffer.from(first.id as string, 'hex'));
  assert.equal(third.id, undefined);
  assert.equal((await sandbox.snapshots()).at(-1)?.id, second.id);
});

test('backup detects every way in which a file can change', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'changes'));
  const file = join(sandbox.source, 'file');
  const other = join(sandbox.source, 'other');
  writeFileSync(file, 'first content');
  await sandbox.backup();
  const changed = async (change: () => void): Promise<number> => {
    change();
    const { summary, snapshot } = await sandbox.backup({ parent: 'latest' });
    const { target } = await sandbox.restoreSource(snapshot.root);
    assertSameTree(target, sandbox.source);
    return summary.files_changed;
  };
  assert.equal(await changed(() => appendFileSync(file, '!')), 1);
  assert.equal(await changed(() => writeFileSync(file, 'other content!')), 1);
  assert.equal(await changed(() => utimesSync(file, 1000, 1000)), 1, 'the time alone');
  assert.equal(
    await changed(() => {
      writeFileSync(file, 'third content!');
      utimesSync(file, 1000, 1000);
    }),
    1,
    'size and time as before',
  );
  assert.equal(
    await changed(() => {
      writeFileSync(other, 'fourth content');
      utimesSync(other, 1000, 1000);
      renameSync(other, file);
    }),
    1,
    'another inode',
  );
  assert.equal(await changed(() => chmodSync(file, 0o600)), 1, 'ctime');
  assert.equal(await changed(() => undefined), 0);
});

test('backup reads files again that changed just before the parent began', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'racy'));
  const file = join(sandbox.source, 'file');
  writeFileSync(file, 'content');
  const repository = { ...(await sandbox.indexed()), clock: Date.now };
  await sandbox.backup({}, repository);
  const { summary } = await sandbox.backup({ parent: 'latest' });
  assert.equal(summary.files_changed, 1);
  assert.equal(summary.data_blobs, 0);
});

test('backup compares only size and mtime when ctime and inode are ignored', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'ignored'));
  const file = join(sandbox.source, 'file');
  writeFileSync(file, 'content');
  utimesSync(file, 1000, 1000);
  await sandbox.backup();
  const copy = join(sandbox.directory, 'copy');
  writeFileSync(copy, 'CONTENT');
  utimesSync(copy, 1000, 1000);
  renameSync(copy, file);
  const taken = await sandbox.backup({ parent: 'latest', ignoreInode: true, ignoreCtime: true });
  assert.equal(taken.summary.files_unmodified, 1);
  const [first] = await sandbox.snapshots();
  assert.equal((await sandbox.backup({ parent: first })).summary.files_changed, 1);
  assert.equal((await sandbox.backup({ parent: first, ignoreCtime: true })).summary.files_changed, 1);
  // As in restic, --ignore-inode ignores the ctime too.
  assert.equal((await sandbox.backup({ parent: first, ignoreInode: true })).summary.files_unmodified, 1);
});

test('backup stores a blob again that the parent needs and the index lacks', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'lost'));
  fill(sandbox.source);
  const first = await sandbox.backup();
  for await (const { name } of sandbox.store.list('index')) await sandbox.store.remove('index', name);
  for await (const { name } of sandbox.store.list('data')) await sandbox.store.remove('data', name);
  const { summary, snapshot } = await sandbox.backup({ parent: 'latest' });
  assert.equal(summary.data_blobs, first.summary.data_blobs);
  const { target, progress } = await sandbox.restoreSource(snapshot.root);
  assert.equal(progress.errors, 0);
  assertSameTree(target, sandbox.source);
});

test('backup makes the same tree for any number of threads, pack size and compression', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'settings'));
  fill(sandbox.source);
  const settings: Changes[] = [
    { threads: 1 },
    { threads: 4, packTarget: 200_000 },
    { compression: 'off' },
    { compression: 'better', verbose: true },
  ];
  const roots = await undisturbed(sandbox.source, async () => {
    const found = [];
    for (const changes of settings) found.push((await sandbox.backup(changes)).snapshot.root);
    return found;
  });
  for (const root of roots) assert.deepEqual(root, roots[0]);
});

test('backup stores nothing in a dry run, not even a lease', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'dry'));
  fill(sandbox.source);
  const { id, summary } = await sandbox.backup({ dryRun: true });
  assert.equal(id, undefined);
  assert.equal(summary.files_new, 31);
  for (const type of ['data', 'index', 'snapshots', 'locks'] as const)
    for await (const { name } of sandbox.store.list(type)) assert.fail(`${type}/${name}`);
});
