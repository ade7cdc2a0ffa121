import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { assertSameTree } from '../backup/tree-image.js';
import { runInProcess } from '../cli/in-process.js';
import { isVarveError } from '../errors/expect-error.js';

const scratch = scratchDirectory();
const MIB = 2 ** 20;
const mounted: string[] = [];
after(() => {
  for (const path of mounted) spawnSync('umount', ['-l', path]);
});

function mount(path: string, options: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).status === 0;
}

/** A small disk of its own; undefined where none can be mounted. */
function smallDisk(name: string, mebibytes: number): string | undefined {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  if (!mount(path, `size=${mebibytes}m`)) return undefined;
  mounted.push(path);
  return path;
}

const remount = (path: string, options: string): void => {
  assert.equal(spawnSync('mount', ['-o', `remount,${options}`, path]).status, 0);
};

function fill(directory: string, files: number, bytes: number): void {
  mkdirSync(directory, { recursive: true });
  for (let number = 0; number < files; number++) writeFileSync(join(directory, `file ${number}`), randomBytes(bytes));
}

const temporaries = (directory: string): string[] =>
  readdirSync(directory, { recursive: true })
    .map(String)
    .filter((path) => /\.varve-|\.tmp-/.test(path));

test('backup on a full disk fails without a snapshot, and the next run with space continues', {
  timeout: 120_000,
}, async (t) => {
  const disk = smallDisk('repository-disk', 40);
  if (disk === undefined) return t.skip('no small disk can be mounted here');
  const sandbox = await Sandbox.create(join(disk, 'box'));
  const source = join(scratch, 'repository-source');
  const sources = [Buffer.from(source)];
  fill(join(source, 'first'), 10, MIB / 2);
  const first = await sandbox.backup({ sources, packTarget: 4 * MIB });
  fill(join(source, 'second'), 60, MIB);
  await assert.rejects(
    sandbox.backup({ sources, packTarget: 4 * MIB, parent: 'latest' }),
    isVarveError('full', /cannot write data\/[0-9a-f]{64}: .*no space left on device.*free some space/),
  );
  assert.deepEqual(
    (await sandbox.snapshots()).map(({ id }) => id),
    [first.id],
  );
  assert.deepEqual(temporaries(join(disk, 'box/repository')), []);
  const environment = { VARVE_REPOSITORY: join(disk, 'box/repository'), VARVE_PASSWORD: 'pebble', HOME: scratch };
  const outcome = await runInProcess(['backup', source, '--no-cache'], environment);
  assert.equal(outcome.code, 1);
  assert.match(outcome.err, /^Fatal: cannot write .*no space left on device/m);
  const target = join(scratch, 'first-restored');
  await sandbox.restore(await sandbox.sourceIn(first.snapshot.root, `${source}/first`), { target });
  assertSameTree(target, join(source, 'first'));
  remount(disk, 'size=200m');
  const second = await sandbox.backup({ sources, parent: 'latest' });
  assert.ok(second.summary.data_added < 50 * MIB, `${second.summary.data_added} bytes were stored again`);
  for (const { snapshot, directory } of [
    { snapshot: first.snapshot, directory: 'first' },
    { snapshot: second.snapshot, directory: 'second' },
  ]) {
    const restored = join(scratch, `again-${directory}`);
    const { progress } = await sandbox.restore(await sandbox.sourceIn(snapshot.root, join(source, directory)), {
      target: restored,
    });
    assert.equal(progress.errors, 0);
    assertSameTree(restored, join(source, directory));
  }
});

test('restore to a full disk fails without half files, and can run again with space', {
  timeout: 120_000,
}, async (t) => {
  const disk = smallDisk('target-disk', 24);
  if (disk === undefined) return t.skip('no small disk can be mounted here');
  const sandbox = await Sandbox.create(join(scratch, 'target-box'));
  fill(join(sandbox.source, 'small'), 400, 20_000);
  fill(join(sandbox.source, 'large'), 6, 8 * MIB);
  const { snapshot } = await sandbox.backup();
  const target = join(disk, 'target');
  await assert.rejects(
    sandbox.restoreSource(snapshot.root, { target }),
    isVarveError('full', /the target is full: .*free some space and run the restore again/),
  );
  assert.deepEqual(temporaries(target), []);
  const environment = {
    VARVE_REPOSITORY: join(scratch, 'target-box/repository'),
    VARVE_PASSWORD: 'pebble',
    HOME: scratch,
  };
  const outcome = await runInProcess(
    ['restore', `latest:${sandbox.source}`, '--target', target, '--no-cache'],
    environment,
  );
  assert.equal(outcome.code, 1);
  assert.match(outcome.err, /^Fatal: the target is full/m);
  assert.doesNotMatch(outcome.err, /^\s+at /m);
  remount(disk, 'size=200m');
  const { progress } = await sandbox.restoreSource(snapshot.root, { target, overwrite: 'if-changed' });
  assert.equal(progress.errors, 0);
  assertSameTree(target, sandbox.source);
});

test('a disk without free inodes counts as full', { timeout: 60_000 }, async (t) => {
  const disk = smallDisk('inodes', 50);
  if (disk === undefined) return t.skip('no small disk can be mounted here');
  remount(disk, 'nr_inodes=30');
  const sandbox = await Sandbox.create(join(scratch, 'inodes-box'));
  fill(join(sandbox.source, 'files'), 100, 100);
  for (let number = 0; number < 50; number++) mkdirSync(join(sandbox.source, `folder ${number}`));
  const { snapshot } = await sandbox.backup();
  await assert.rejects(sandbox.restoreSource(snapshot.root, { target: join(disk, 'target') }), isVarveError('full'));
});

test('errors name locations that cannot be written', { timeout: 60_000 }, async (t) => {
  const disk = smallDisk('read-only', 50);
  if (disk === undefined) return t.skip('no small disk can be mounted here');
  const sandbox = await Sandbox.create(join(disk, 'box'));
  writeFileSync(join(sandbox.source, 'file'), 'x');
  const { snapshot } = await sandbox.backup();
  mkdirSync(join(disk, 'target'));
  remount(disk, 'ro');
  await assert.rejects(sandbox.backup(), isVarveError('denied', /cannot write locks\/.*read-only file system/));
  await assert.rejects(
    sandbox.restoreSource(snapshot.root, { target: join(disk, 'new/target') }),
    isVarveError('target', /cannot create the target .*read-only/),
  );
  const { progress, events } = await sandbox.restoreSource(snapshot.root, { target: join(disk, 'target') });
  assert.equal(progress.errors, 1);
  assert.match(`${events[0]?.kind === 'error' && events[0].message}`, /read-only file system/);
  // What only reads goes on.
  const { target } = await sandbox.restoreSource(snapshot.root, { target: join(scratch, 'elsewhere') });
  assertSameTree(target, sandbox.source);
  rmSync(target, { recursive: true });
});
