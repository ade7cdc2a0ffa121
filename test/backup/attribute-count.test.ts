import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { missingPrograms } from '../fidelity/commands.js';
import { Sandbox, scratchDirectory } from './sandbox.js';

const scratch = scratchDirectory();

test('backup counts the entries with extended attributes, also reused ones', {
  skip: missingPrograms() ?? false,
}, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'counted'));
  const path = (name: string): string => join(sandbox.source, name);
  mkdirSync(path('folder/deep'), { recursive: true });
  for (const name of ['one', 'folder/two', 'folder/deep/three']) writeFileSync(path(name), name);
  const counted = async (parent: 'latest' | undefined): Promise<number | undefined> => {
    const { snapshot } = await sandbox.backup(parent === undefined ? {} : { parent });
    return snapshot.summary?.entries_with_xattrs;
  };
  assert.equal(await counted(undefined), 0);
  const set = (name: string): void => void execFileSync('setfattr', ['-n', 'user.color', '-v', 'blue', path(name)]);
  for (const name of ['one', 'folder', 'folder/deep/three']) set(name);
  assert.equal(await counted('latest'), 3);
  assert.equal(await counted('latest'), 3, 'nothing has changed');
  assert.equal(await counted(undefined), 3);
  spawnSync('setfattr', ['-x', 'user.color', path('one')]);
  assert.equal(await counted('latest'), 2);
});
