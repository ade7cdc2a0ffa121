import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD, mknodat } from '../../src/filesystem/posix.js';
import { makeDevice } from '../../src/filesystem/stat.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { assertSameTree } from '../backup/tree-image.js';
import { Forge } from './crafted.js';

const scratch = scratchDirectory();
const isRoot = process.getuid?.() === 0;
const [FIFO, SOCKET, CHARACTER] = [0o010644, 0o140600, 0o020640];

async function filled(name: string): Promise<{ sandbox: Sandbox; at: (name: string) => Buffer; names: string[] }> {
  const sandbox = await Sandbox.create(join(scratch, name));
  const at = (each: string): Buffer => Buffer.from(join(sandbox.source, each));
  mknodat(AT_FDCWD, at('fifo'), FIFO);
  mknodat(AT_FDCWD, at('socket'), SOCKET);
  symlinkSync('somewhere', at('link'));
  lutimesSync(at('link'), 1_000_000_000, 1_000_000_000.5);
  if (isRoot) mknodat(AT_FDCWD, at('device'), CHARACTER, makeDevice(1, 3));
  return { sandbox, at, names: readdirSync(sandbox.source).sort() };
}

test('restore leaves correct links, FIFOs, sockets and devices alone', async () => {
  const { sandbox, names } = await filled('stay');
  const { snapshot } = await sandbox.backup();
  const { target, progress: first } = await sandbox.restoreSource(snapshot.root);
  assert.equal(first.filesRestored, names.length);
  const inodes = (): number[] => names.map((name) => lstatSync(join(target, name)).ino);
  const before = inodes();
  for (const dryRun of [true, false]) {
    const { progress, events } = await sandbox.restoreSource(snapshot.root, { target, dryRun, verbose: true });
    assert.equal(progress.filesRestored, 0);
    assert.equal(progress.filesSkipped, names.length);
    const items = events.flatMap((event) => (event.kind === 'item' ? [`${event.action} ${event.path}`] : []));
    assert.deepEqual(
      items.sort(),
      names.map((name) => `unchanged /${name}`),
    );
    assert.deepEqual(inodes(), before);
  }
});

test('restore replaces wrong special files and leaves their other names alone', async () => {
  const { sandbox } = await filled('anew');
  const { snapshot } = await sandbox.backup();
  const { target } = await sandbox.restoreSource(snapshot.root);
  chmodSync(join(target, 'fifo'), 0o666);
  linkSync(join(target, 'socket'), join(scratch, 'elsewhere'));
  const { ino } = lstatSync(join(scratch, 'elsewhere'));
  rmSync(join(target, 'link'));
  symlinkSync('somewhere else', join(target, 'link'));
  if (isRoot) {
    rmSync(join(target, 'device'));
    mknodat(AT_FDCWD, Buffer.from(join(target, 'device')), CHARACTER, makeDevice(1, 5));
  }
  const { progress } = await sandbox.restoreSource(snapshot.root, { target });
  assert.equal(progress.filesSkipped, 0);
  assertSameTree(target, sandbox.source);
  assert.notEqual(lstatSync(join(target, 'socket')).ino, ino);
  assert.equal(lstatSync(join(scratch, 'elsewhere')).ino, ino);
});

test('restore reports a device with impossible numbers', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'odd'));
  const forge = new Forge(await sandbox.open());
  const root = forge.directory(
    { name: Buffer.from('major'), type: 'character', rdev: [0x1000, 1] },
    { name: Buffer.from('minor'), type: 'block', rdev: [1, 0x100000] },
  );
  await forge.finish();
  const { target, progress, events } = await sandbox.restore(root, { verbose: true });
  assert.deepEqual(
    events.map((event) => `${event.path} ${event.kind === 'item' ? event.action : event.message}`).sort(),
    [
      '/major is a device with the number 4096:1, which Linux does not support',
      '/minor is a device with the number 1:1048576, which Linux does not support',
    ],
  );
  assert.deepEqual([progress.filesRestored, progress.errors], [0, 2]);
  assert.deepEqual(readdirSync(target), []);
});

test('--overwrite never keeps a file in place of a directory, also in a dry run', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'in-the-way'));
  const directory = join(sandbox.source, 'folder');
  mkdirSync(directory);
  writeFileSync(join(directory, 'file'), '');
  const { snapshot } = await sandbox.backup();
  const target = join(sandbox.directory, 'target');
  mkdirSync(target);
  writeFileSync(join(target, 'folder'), 'in the way');
  for (const dryRun of [true, false]) {
    const { events, progress } = await sandbox.restoreSource(snapshot.root, { target, dryRun, overwrite: 'never' });
    const errors = events.flatMap((event) => (event.kind === 'error' ? [`${event.path}: ${event.message}`] : []));
    assert.match(errors[0] as string, /^\/folder: exists and is not a directory/);
    assert.equal(progress.filesRestored, 0);
  }
});
