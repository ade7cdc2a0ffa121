import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CopyEvent, copySnapshots } from '../../src/copy/copy.js';
import { editSnapshots } from '../../src/copy/rewrite.js';
import type { ContentRef } from '../../src/format/content.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { addKeySlot } from '../../src/repository/keys/key-slots.js';
import { listLeases } from '../../src/repository/leases/leases.js';
import { openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { removeSnapshot, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { restore } from '../../src/restore/restore.js';
import { LATER, Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { Target } from './target.js';

const scratch = scratchDirectory();
let number = 0;

async function filled(): Promise<Sandbox> {
  const sandbox = await Sandbox.create(join(scratch, `${number++}`));
  const { source } = sandbox;
  mkdirSync(join(source, 'folder/empty'), { recursive: true });
  mkdirSync(join(source, 'links'));
  for (let each = 0; each < 200; each++) writeFileSync(join(source, 'folder', `${each}`), `text ${each}`);
  writeFileSync(join(source, 'big'), randomBytes(3_000_000));
  writeFileSync(join(source, 'holes'), 'holes');
  truncateSync(join(source, 'holes'), 5_000_000);
  linkSync(join(source, 'big'), join(source, 'linked'));
  symlinkSync('big', join(source, 'links/link'));
  await sandbox.backup({ tags: ['x'] });
  return sandbox;
}

interface Changes {
  readonly chosen?: readonly StoredSnapshot[];
  readonly target?: Repository;
  readonly signal?: AbortSignal;
  readonly onProgress?: () => void;
}

async function copy(sandbox: Sandbox, target: Target, changes: Changes = {}) {
  const events: CopyEvent[] = [];
  let read = 0;
  const all = await sandbox.snapshots();
  const { chosen = all, target: repository = await target.open(), signal } = changes;
  const result = await copySnapshots(
    await sandbox.indexed(),
    repository,
    { all, chosen },
    {
      compression: 'auto',
      signal,
      onEvent: (event) => events.push(event),
      onProgress: ({ bytes }) => {
        read = bytes;
        changes.onProgress?.();
      },
    },
  );
  return { ...result, events, read };
}

/** Restores a snapshot of a target and compares it with the source directory. */
async function verify(sandbox: Sandbox, target: Target, root: ContentRef): Promise<void> {
  const indexed = await loadIndex(await target.open());
  const directory = join(scratch, `restored-${number++}`);
  const own = { setOwner: process.getuid?.() === 0, threads: 1 };
  const { errors } = await restore(indexed, {
    root: await sandbox.sourceIn(root, sandbox.source, indexed),
    target: directory,
    ...own,
  });
  assert.equal(errors, 0);
  execFileSync('diff', ['-r', '--no-dereference', sandbox.source, directory]);
  const listed = (path: string) =>
    execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P %y %m %n %T@ %s\\n'], { cwd: path })
      .toString()
      .split('\n')
      .sort();
  assert.equal(listed(directory).join('\n'), listed(sandbox.source).join('\n'));
}

test('copySnapshots makes copies with the same content and metadata when a snapshot is copied', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch);
  const { copied, skipped, failed } = await copy(sandbox, target);
  assert.deepEqual([copied, skipped, failed], [1, 0, 0]);
  const [original] = await sandbox.snapshots();
  const [copied1] = await target.snapshots();
  assert.ok(original !== undefined && copied1 !== undefined);
  const { root: _, original: first, ...described } = copied1.snapshot;
  const { root, original: none, ...wanted } = original.snapshot;
  assert.deepEqual(described, { ...wanted, parent: undefined });
  assert.deepEqual([first?.toString('hex'), none], [original.id, undefined]);
  await verify(sandbox, target, copied1.snapshot.root);
  assert.deepEqual(await listLeases(await target.open()), []);
});

test('copySnapshots skips a snapshot and stores nothing when the target has its copy', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch);
  await copy(sandbox, target);
  const before = await target.objects();
  const { copied, skipped, read } = await copy(sandbox, target);
  assert.deepEqual([copied, skipped, read], [0, 1, 0]);
  assert.deepEqual(await target.objects(), before);
});

test('copySnapshots does not read data again when an earlier copy shares them', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch);
  await copy(sandbox, target);
  writeFileSync(join(sandbox.source, 'folder/7'), 'changed');
  writeFileSync(join(sandbox.source, 'new'), 'new');
  rmSync(join(sandbox.source, 'folder/8'));
  await sandbox.backup({ parent: 'latest' });
  const { copied, read, dataBlobs } = await copy(sandbox, target);
  assert.equal(copied, 1);
  assert.equal(dataBlobs, 2);
  assert.equal(read, 'changednew'.length);
  await verify(sandbox, target, (await target.snapshots()).at(-1)?.snapshot.root ?? assert.fail());
});

test('copySnapshots reads shared data once when it copies several snapshots', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch);
  writeFileSync(join(sandbox.source, 'new'), 'new');
  await sandbox.backup({ parent: 'latest' });
  const { copied, dataBlobs } = await copy(sandbox, target);
  const { index } = await sandbox.indexed();
  assert.equal(copied, 2);
  let blobs = 0;
  for (let blob = 0; blob < index.size; blob++) if (index.packKind(index.locate(blob).pack) === 1) blobs++;
  assert.equal(dataBlobs, blobs);
  await verify(sandbox, target, (await target.snapshots()).at(-1)?.snapshot.root ?? assert.fail());
});

test('copySnapshots reads the contents when another key signed the earlier copy', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch);
  await copy(sandbox, target);
  const [first] = await target.snapshots();
  writeFileSync(join(sandbox.source, 'new'), 'new');
  await sandbox.backup({ parent: 'latest' });
  const unlock = { password: 'third' };
  await addKeySlot(await target.open(), { role: 'full', unlock, user: 'eva', host: 'c', hosts: 'any', logN: 10 });
  const other = await openRepository(target.store, { unlock, clock: LATER });
  const { copied, read, dataBlobs } = await copy(sandbox, target, { target: other });
  assert.deepEqual([copied, dataBlobs], [1, 1]);
  assert.ok(read > 3_000_000);
  assert.notEqual(first, undefined);
});

test('copySnapshots works with an append key of the target, and fails when the key of the source cannot read', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch);
  const unlock = { password: 'append' };
  await addKeySlot(await target.open(), { role: 'append', unlock, user: 'eva', host: 'c', hosts: 'any', logN: 10 });
  const cacheDirectory = join(scratch, `cache-${number++}`);
  const open = () => openRepository(target.store, { unlock, clock: LATER, cacheDirectory });
  assert.equal((await copy(sandbox, target, { target: await open() })).copied, 1);
  assert.equal((await copy(sandbox, target, { target: await open() })).skipped, 1);
  writeFileSync(join(sandbox.source, 'new'), 'new');
  await sandbox.backup({ parent: 'latest' });
  assert.equal(
    (await copy(sandbox, target, { target: await open() })).read,
    3,
    'the append key knows the trees that it wrote on this machine',
  );
  await verify(sandbox, target, (await target.snapshots()).at(-1)?.snapshot.root ?? assert.fail());
  await sandbox.addKey('manage', 'manage');
  const source = await loadIndex(await openRepository(sandbox.store, { unlock: { password: 'manage' }, clock: LATER }));
  const none = { all: [], chosen: [] };
  await assert.rejects(copySnapshots(source, await target.open(), none, { compression: 'auto' }), /use a full key/);
  const self = copySnapshots(await sandbox.indexed(), await sandbox.open(), none, { compression: 'auto' });
  await assert.rejects(self, /both are the same repository/);
});

test('backup adds no contents when the same files were copied with the same chunk boundaries', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch, await sandbox.open());
  await copy(sandbox, target);
  const indexed = await loadIndex(await target.open());
  const { summary, snapshot } = await sandbox.backup({ parent: undefined }, indexed);
  assert.equal(summary.data_blobs, 0);
  await verify(sandbox, target, snapshot.root);
  const other = await Target.create(scratch);
  await copy(sandbox, other);
  const apart = await sandbox.backup({ parent: undefined }, await loadIndex(await other.open()));
  assert.ok(apart.summary.data_blobs > 10, 'other chunk boundaries need new blobs');
});

test('copySnapshots does not store blobs again when it continues after an interruption', async () => {
  const sandbox = await filled();
  for (let each = 0; each < 6; each++) writeFileSync(join(sandbox.source, `random ${each}`), randomBytes(4_000_000));
  await sandbox.backup({ parent: 'latest' });
  const target = await Target.create(scratch);
  const abort = new AbortController();
  let frames = 0;
  const onProgress = () => {
    if (++frames === 6) abort.abort();
  };
  await assert.rejects(copy(sandbox, target, { signal: abort.signal, onProgress }), /interrupted/);
  assert.ok((await target.snapshots()).length < 2);
  const before = await loadIndex(await target.open());
  assert.ok(before.index.size > 10, 'the stored blobs are in the index');
  const { copied, dataBlobs } = await copy(sandbox, target);
  assert.ok(copied >= 1);
  const { index } = await sandbox.indexed();
  let all = 0;
  for (let blob = 0; blob < index.size; blob++) if (index.packKind(index.locate(blob).pack) === 1) all++;
  assert.ok(dataBlobs < all, `${dataBlobs} of ${all}`);
  for (const { snapshot } of (await target.snapshots()).slice(-1)) await verify(sandbox, target, snapshot.root);
});

test('copySnapshots reports a snapshot and copies the others when the snapshot has lost data', async () => {
  const sandbox = await Sandbox.create(join(scratch, `${number++}`));
  writeFileSync(join(sandbox.source, 'lost'), randomBytes(2_000_000));
  await sandbox.backup();
  rmSync(join(sandbox.source, 'lost'));
  writeFileSync(join(sandbox.source, 'whole'), 'whole');
  await sandbox.backup();
  const { index, store } = await sandbox.indexed();
  for (let pack = 0; pack < index.packCount; pack++) {
    const { first } = index.framesOf(pack);
    if (index.packKind(pack) === 1 && index.frame(first).rawLength > 1000)
      await store.remove('data', index.packName(pack));
  }
  const target = await Target.create(scratch);
  const { copied, failed, events } = await copy(sandbox, target);
  assert.deepEqual([copied, failed], [1, 1]);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['begun', 'failed', 'begun', 'copied'],
  );
  await verify(sandbox, target, (await target.snapshots()).at(-1)?.snapshot.root ?? assert.fail());
});

test('copySnapshots copies a rewritten snapshot, and copies again when a copy was forgotten', async () => {
  const sandbox = await filled();
  const target = await Target.create(scratch);
  await copy(sandbox, target);
  const patterns = { excludes: ['linked'], iexcludes: [], summary: false, forget: true, compression: 'auto' } as const;
  await editSnapshots(await sandbox.open(), await sandbox.snapshots(), patterns);
  const { copied, read } = await copy(sandbox, target);
  assert.deepEqual([copied, read], [1, 0], 'the copy of the original already has all contents');
  for (const { id } of await target.snapshots()) await removeSnapshot(await target.open(), id);
  assert.equal((await copy(sandbox, target)).copied, 1);
});
