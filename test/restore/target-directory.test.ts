import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Entry } from '../../src/format/entry.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { beginRun, endRun, markerName } from '../../src/restore/temporary-names.js';
import { components, Sandbox, scratchDirectory } from '../backup/sandbox.js';

const scratch = scratchDirectory();

async function home(): Promise<{ sandbox: Sandbox; directory: Entry; restoreTo: (target: string) => Promise<string> }> {
  const sandbox = await Sandbox.create(join(scratch, `home-${Math.random()}`));
  writeFileSync(join(sandbox.source, 'letter'), 'dear');
  chmodSync(sandbox.source, 0o1710);
  utimesSync(sandbox.source, 1_200_000_000, 1_200_000_000);
  const { snapshot } = await sandbox.backup();
  const directory = await new TreeReader(await sandbox.indexed()).find(snapshot.root, components(sandbox.source));
  const { content } = directory;
  assert.ok(content);
  const restoreTo = async (target: string) => {
    const { progress } = await sandbox.restore(content, { target, directory });
    assert.equal(progress.errors + progress.warnings, 0);
    const { mode, mtimeMs } = lstatSync(target);
    return `${(mode & 0o7777).toString(8)} ${mtimeMs / 1000} ${readdirSync(target)}`;
  };
  return { sandbox, directory, restoreTo };
}

const LIKE_THE_SOURCE = '1710 1200000000 letter';

test('a new or empty target becomes the restored directory', async () => {
  const { sandbox, restoreTo } = await home();
  assert.equal(await restoreTo(join(sandbox.directory, 'not/yet/there')), LIKE_THE_SOURCE);
  const empty = join(sandbox.directory, 'empty');
  mkdirSync(empty, { mode: 0o755 });
  assert.equal(await restoreTo(empty), LIKE_THE_SOURCE);
});

test('a target that is not empty keeps its metadata', async () => {
  const { sandbox, restoreTo } = await home();
  const filled = join(sandbox.directory, 'filled');
  mkdirSync(filled, { mode: 0o755 });
  writeFileSync(join(filled, 'mine'), '');
  assert.match(await restoreTo(filled), /^755 \d{10}\.?\d* letter,mine$/);
});

test('an interrupted restore leaves the target’s metadata alone', async () => {
  const { sandbox, restoreTo } = await home();
  const ended = join(sandbox.directory, 'ended');
  mkdirSync(ended, { mode: 0o755 });
  const run = beginRun();
  endRun(run);
  writeFileSync(join(ended, 'letter'), 'dear');
  writeFileSync(join(ended, String(markerName(run))), '', { mode: 0o600 });
  assert.equal(await restoreTo(ended), LIKE_THE_SOURCE);
});
