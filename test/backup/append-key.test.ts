import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type IndexedRepository, loadIndex } from '../../src/repository/index/index-store.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { restore } from '../../src/restore/restore.js';
import { isVarveError } from '../errors/expect-error.js';
import { LATER, Sandbox, scratchDirectory } from './sandbox.js';
import { assertSameTree } from './tree-image.js';

const scratch = scratchDirectory();

async function withAppendKey(
  name: string,
): Promise<{ sandbox: Sandbox; open: (cache?: string) => Promise<IndexedRepository> }> {
  const sandbox = await Sandbox.create(join(scratch, name));
  await sandbox.addKey('append', 'append');
  const open = async (cache = 'client-cache'): Promise<IndexedRepository> =>
    loadIndex(
      await openRepository(sandbox.store, {
        unlock: { password: 'append' },
        cacheDirectory: join(sandbox.directory, cache),
        clock: LATER,
      }),
    );
  return { sandbox, open };
}

test('backup with an append key reuses unchanged files that it cannot read back', async () => {
  const { sandbox, open } = await withAppendKey('second');
  mkdirSync(join(sandbox.source, 'folder'));
  for (let number = 0; number < 50; number++)
    writeFileSync(join(sandbox.source, 'folder', `file ${number}`), randomBytes(20_000));
  const repository = await open();
  assert.equal(repository.keys.role, 'append');
  await sandbox.backup({}, repository);
  writeFileSync(join(sandbox.source, 'folder', 'file 7'), 'changed');
  const again = await open();
  const own = (await listSnapshots(again)).snapshots;
  assert.equal(own.length, 1);
  const { summary, events, snapshot } = await sandbox.backup({ parent: own[0] }, again);
  assert.deepEqual(events, []);
  assert.equal(summary.files_unmodified, 49);
  assert.equal(summary.files_changed, 1);
  assert.equal(summary.data_blobs, 1);
  const { target } = await sandbox.restoreSource(snapshot.root);
  assertSameTree(target, sandbox.source);
});

test('backup with an append key reads everything again without its cache, and stores nothing twice', async () => {
  const { sandbox, open } = await withAppendKey('no-cache');
  for (let number = 0; number < 20; number++)
    writeFileSync(join(sandbox.source, `file ${number}`), randomBytes(20_000));
  await sandbox.backup({}, await open());
  const [parent] = (await listSnapshots(await open())).snapshots;
  rmSync(join(sandbox.directory, 'client-cache'), { recursive: true });
  assert.equal((await listSnapshots(await open())).snapshots.length, 0);
  const { summary, id } = await sandbox.backup({ parent }, await open());
  assert.ok(id);
  assert.equal(summary.data_blobs, 0);
});

test('an append key lists no foreign snapshots, reads no trees and restores nothing', async () => {
  const { sandbox, open } = await withAppendKey('others');
  writeFileSync(join(sandbox.source, 'file'), 'secret');
  const { snapshot } = await sandbox.backup();
  const repository = await open();
  assert.deepEqual((await listSnapshots(repository)).snapshots, []);
  await assert.rejects(new TreeReader(repository).find(snapshot.root, [Buffer.from('tmp')]), isVarveError('role'));
  const target = join(sandbox.directory, 'stolen');
  await assert.rejects(
    restore(repository, { root: snapshot.root, target, setOwner: false }),
    isVarveError('role', /restore files/),
  );
  await sandbox.backup({}, repository);
  const other = await open('another-machine');
  assert.deepEqual((await listSnapshots(other)).snapshots, []);
  const own = await sandbox.backup({}, await open());
  await assert.rejects(
    new TreeReader(await open('another-machine')).find(own.snapshot.root, [Buffer.from('tmp')]),
    isVarveError('role'),
  );
});
