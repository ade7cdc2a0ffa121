import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { ALL } from '../../src/check/subset.js';
import type { ContentRef } from '../../src/format/content.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { assertSameTree } from '../backup/tree-image.js';
import { Prunable } from '../prune/repository.js';

const scratch = scratchDirectory();

test('backups, a restore, a prune and a check work, and the check finds damage', async () => {
  const prunable = await Prunable.create(join(scratch, 'round'));
  const { sandbox } = prunable;
  prunable.write(['a', 'b']);
  const first = await prunable.backup();
  prunable.remove('a');
  prunable.write(['c']);
  await prunable.backup();
  await prunable.forget(first);
  const before = await prunable.bytes();
  const { deleted } = await prunable.prune({ graceSeconds: 0 });
  assert.ok(deleted.packs > 0 && (await prunable.bytes()) < before);
  await prunable.verify();
  const root = (await sandbox.snapshots())[0]?.snapshot.root as ContentRef;
  assertSameTree((await sandbox.restoreSource(root)).target, sandbox.source);

  const damaged = async (): Promise<string[]> =>
    (await check(await sandbox.open(), { readData: ALL, threads: 1 })).findings.map(({ object }) => object);
  assert.deepEqual(await damaged(), []);
  const [pack] = (await prunable.beneath.packs()) as [string];
  await prunable.beneath.change('data', pack, (bytes) => bytes.fill((bytes[100] as number) ^ 1, 100, 101));
  assert.deepEqual(await damaged(), [`data/${pack}`]);
});
