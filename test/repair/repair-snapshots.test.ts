import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD } from '../../src/filesystem/posix.js';
import { setXattr } from '../../src/filesystem/xattrs.js';
import { isReference } from '../../src/format/attachment.js';
import { type BlobKind, DATA, TREE } from '../../src/format/content.js';
import { type RepairSnapshotsEvent, repairSnapshots } from '../../src/repair/repair-snapshots.js';
import { BlobIndex } from '../../src/repository/index/blob-index.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';

const scratch = scratchDirectory();
let number = 0;

/** A repository whose packs hold a file or directory each, about: two backups, so that there are some of either kind. */
async function filled(): Promise<Sandbox> {
  const sandbox = await Sandbox.create(join(scratch, `${number++}`));
  const { source } = sandbox;
  for (const [name, content] of [
    ['a/one', 'one'],
    ['b/two', 'two'],
    ['c', 'three'],
  ] as const) {
    mkdirSync(join(source, name, '..'), { recursive: true });
    writeFileSync(join(source, name), content);
    await sandbox.backup({ parent: 'latest' });
  }
  return sandbox;
}

/** Takes away the pack of a file's content or of a directory's list. */
async function lose(sandbox: Sandbox, path: string, kind: BlobKind): Promise<void> {
  const repository = await sandbox.indexed();
  const { index } = repository;
  const newest = (await sandbox.snapshots()).at(-1) as StoredSnapshot;
  const names = join(sandbox.source, path).split('/').filter(Boolean);
  const entry = await new TreeReader(repository).find(
    newest.snapshot.root,
    names.map((name) => Buffer.from(name)),
  );
  const id = kind === DATA || entry.type === 'directory' ? entry.content?.ids : undefined;
  const attachment = isReference(entry.xattrs) ? entry.xattrs.ids : undefined;
  const blob = index.find((id ?? attachment ?? assert.fail()).subarray(0, 32));
  await repository.store.remove('data', index.packName(index.locate(blob).pack));
}

async function repair(sandbox: Sandbox, changes: { forget?: boolean; dryRun?: boolean } = {}) {
  const events: RepairSnapshotsEvent[] = [];
  const result = await repairSnapshots(await sandbox.open(), await sandbox.snapshots(), {
    forget: false,
    compression: 'auto',
    ...changes,
    onEvent: (event) => events.push(event),
  });
  const lost = events.flatMap((event) =>
    event.kind === 'lost' ? [`${event.what} ${event.path.toString().slice(sandbox.source.length)}`] : [],
  );
  return { ...result, events, lost };
}

const repaired = async (sandbox: Sandbox): Promise<StoredSnapshot[]> =>
  (await sandbox.snapshots()).filter(({ snapshot }) => snapshot.tags.includes('repaired'));

test('repair snapshots changes nothing when nothing is lost', async () => {
  const sandbox = await filled();
  const { changed, failed, lost } = await repair(sandbox);
  assert.deepEqual([changed, failed, lost], [0, 0, []]);
  assert.equal((await sandbox.snapshots()).length, 3);
});

test('repair snapshots leaves a lost file out of each snapshot and keeps the old ones', async () => {
  const sandbox = await filled();
  await lose(sandbox, 'b/two', DATA);
  assert.deepEqual((await repair(sandbox, { dryRun: true })).lost, ['file /b/two', 'file /b/two']);
  assert.equal((await sandbox.snapshots()).length, 3);
  const { changed, failed, lost } = await repair(sandbox);
  assert.deepEqual([changed, failed, lost], [2, 0, ['file /b/two', 'file /b/two']]);
  assert.equal((await sandbox.snapshots()).length, 5);
  const whole = (await repaired(sandbox)).at(-1) as StoredSnapshot;
  assert.equal(whole.snapshot.summary?.total_files_processed, 2);
  assert.equal(whole.snapshot.summary?.total_bytes_processed, 8);
  const { target, events } = await sandbox.restoreSource(whole.snapshot.root);
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'error'),
    [],
  );
  assert.equal(readFileSync(join(target, 'a/one'), 'utf8'), 'one');
  assert.equal(readFileSync(join(target, 'c'), 'utf8'), 'three');
  assert.throws(() => readFileSync(join(target, 'b/two')));
  const again = await repair(sandbox);
  assert.equal(again.events.filter(({ kind }) => kind === 'unchanged').length, 3, 'what was repaired is sound');
});

test('repair snapshots empties a lost directory, and --forget removes the old snapshots', async () => {
  const sandbox = await filled();
  const before = await sandbox.snapshots();
  await lose(sandbox, 'a', TREE);
  const { changed, failed, lost } = await repair(sandbox, { forget: true });
  assert.deepEqual([changed, failed], [2, 1], 'of the first snapshot everything is in that pack');
  assert.ok(lost.includes('directory /a'));
  const now = await sandbox.snapshots();
  assert.equal(now.length, before.length);
  assert.equal((await repaired(sandbox)).length, 0, 'the tag is for what stands beside another');
  const newest = now.find(({ snapshot }) => snapshot.original !== undefined);
  const { target } = await sandbox.restoreSource((newest as StoredSnapshot).snapshot.root);
  assert.equal(readFileSync(join(target, 'b/two'), 'utf8'), 'two');
});

test('repair snapshots keeps a snapshot that cannot be read at all', async () => {
  const sandbox = await filled();
  const [first] = await sandbox.snapshots();
  const { index, store } = await sandbox.indexed();
  const root = index.find(first?.snapshot.root.ids as Buffer);
  await store.remove('data', index.packName(index.locate(root).pack));
  const { failed, events } = await repair(sandbox, { forget: true });
  assert.equal(failed, 1);
  const failure = events.find((event) => event.kind === 'failed');
  assert.match(failure?.kind === 'failed' ? failure.error.message : '', /nothing in it can be read/);
  assert.ok((await sandbox.snapshots()).some(({ id }) => id === first?.id));
});

test('repair snapshots keeps a file whose attributes are lost', async (t) => {
  const sandbox = await Sandbox.create(join(scratch, `${number++}`));
  const path = join(sandbox.source, 'file');
  writeFileSync(join(sandbox.source, 'other'), 'other');
  writeFileSync(path, 'content');
  await sandbox.backup();
  try {
    const place = { directory: AT_FDCWD, name: Buffer.from(path) };
    setXattr(place, { name: Buffer.from('user.long'), value: Buffer.alloc(2000, 'long') });
  } catch {
    return t.skip('the file system has no attributes');
  }
  writeFileSync(path, 'content');
  const backup = await sandbox.backup({ parent: 'latest' });
  const repository = await sandbox.indexed();
  const reader = new TreeReader(repository);
  const entry = await reader.find(await sandbox.sourceIn(backup.snapshot.root), [Buffer.from('file')]);
  assert.ok(isReference(entry.xattrs));
  // The list of the directory is in the same pack: so it is just the index that does not know the blob.
  const lost = entry.xattrs.ids;
  const find = BlobIndex.prototype.find;
  t.mock.method(BlobIndex.prototype, 'find', function (this: BlobIndex, id: Buffer, at = 0) {
    return lost.equals(id.subarray(at, at + 32)) ? -1 : find.call(this, id, at);
  });
  const result = await repair(sandbox);
  t.mock.restoreAll();
  assert.deepEqual([result.changed, result.lost], [1, ['attributes /file']]);
  const [fresh] = await repaired(sandbox);
  const kept = await new TreeReader(await sandbox.indexed()).find(
    await sandbox.sourceIn((fresh as StoredSnapshot).snapshot.root),
    [Buffer.from('file')],
  );
  assert.deepEqual([kept.xattrs, kept.ctimeSeconds, kept.content], [undefined, 0, entry.content]);
});

test('repair snapshots refuses an append key', async () => {
  const sandbox = await filled();
  await sandbox.addKey('append', 'append');
  const repository = await openRepository(sandbox.store, { unlock: { password: 'append' } });
  const options = { forget: false, compression: 'auto' } as const;
  await assert.rejects(repairSnapshots(repository, await sandbox.snapshots(), options), /may only append/);
});
