import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { missingPrograms } from './commands.js';
import { assertEqualTrees } from './compare.js';
import { complaintsBelow } from './complaints.js';
import { makeDeepDirectory } from './deep-directory.js';
import { beside, runAsNobody } from './nobody.js';

const scratch = scratchDirectory();
const skip = missingPrograms() ?? false;
const isRoot = process.getuid?.() === 0;
const MIB = 2 ** 20;

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
}

/** Backs up, restores to a new directory or to the target given, and compares everything. */
async function checkReturn(sandbox: Sandbox, parent?: 'latest', target?: string) {
  const made = await sandbox.backup({ parent });
  assert.deepEqual(complaintsBelow('', made.events), []);
  const back = await sandbox.restore(made.snapshot.root, { delete: true, ...(target !== undefined && { target }) });
  assert.deepEqual(complaintsBelow(sandbox.source, back.events), []);
  assertEqualTrees(sandbox.source, back.target + sandbox.source);
  return { summary: made.summary, target: back.target };
}

/** Extended attributes, lists and capabilities of all kinds, as far as this user may set them. */
function fillWithAttributes(root: string): void {
  const at = (name: string): string => join(root, name);
  for (const name of ['none', 'text', 'binary', 'empty', 'many', 'long', 'list', 'capable', 'read only'])
    writeFileSync(at(name), name);
  run('setfattr', '-n', 'user.comment', '-v', 'with words', at('text'));
  run('setfattr', '-n', 'user.bytes', '-v', '0x00ff000a3d22', at('binary'));
  run('setfattr', '-n', 'user.nothing', at('empty'));
  for (let i = 0; i < 40; i++) run('setfattr', '-n', `user.number ${i}`, '-v', `${i}`, at('many'));
  run('setfattr', '-n', 'user.long', '-v', `0x${randomBytes(3000).toString('hex')}`, at('long'));
  run('setfattr', '-n', 'user.comment', '-v', 'kept', at('read only'));
  run('setfacl', '-m', 'u:4711:rwx,g:4712:---,m::rx', at('list'));
  // Its owner may set attributes no more once its list is there.
  run('setfacl', '-m', 'u:4711:r', at('read only'));
  chmodSync(at('read only'), 0o444);
  mkdirSync(at('folder/plain'), { recursive: true });
  writeFileSync(at('folder/plain file'), 'made before the folder had a list for what is made in it');
  run('setfacl', '-d', '-m', 'u:4711:rwx,o::---', at('folder'));
  run('setfattr', '-n', 'user.of a folder', '-v', 'x', at('folder'));
  chmodSync(at('folder'), 0o550);
  run('mkfifo', at('fifo'));
  run('setfacl', '-m', 'u:4711:rw', at('fifo'));
  if (isRoot) fillAsRoot(at);
}

function fillAsRoot(at: (name: string) => string): void {
  chownSync(at('capable'), 4711, 4712);
  chmodSync(at('capable'), 0o6755);
  run('setcap', 'cap_net_bind_service,cap_net_raw+eip', at('capable'));
  execFileSync('ln', ['-s', 'nowhere', at('link')]);
  run('setfattr', '-h', '-n', 'trusted.of a link', '-v', '0x00', at('link'));
  run('setfattr', '-n', 'trusted.secret', '-v', '0x0102', at('none'));
  chownSync(at('list'), 4_000_000_000, 4_000_000_001);
  chmodSync(at('list'), 0o4750);
}

test('restore returns extended attributes, access control lists and capabilities', { skip }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'attributes'));
  fillWithAttributes(sandbox.source);
  const { target } = await checkReturn(sandbox);
  await checkReturn(sandbox, 'latest', target);
});

test('backup and restore handle changes of attributes alone', {
  skip,
}, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'changed'));
  fillWithAttributes(sandbox.source);
  const { target } = await checkReturn(sandbox);
  const at = (name: string): string => join(sandbox.source, name);
  run('setfattr', '-n', 'user.comment', '-v', 'other words', at('text'));
  run('setfattr', '-x', 'user.bytes', at('binary'));
  run('setfattr', '-n', 'user.new', '-v', 'new', at('empty'));
  chmodSync(at('folder'), 0o750);
  run('setfattr', '-x', 'user.of a folder', at('folder'));
  run('setfacl', '-b', at('list'));
  run('setfacl', '-k', at('folder'));
  chmodSync(at('folder'), 0o550);
  run('setfacl', '-m', 'u:1:r', at('many'));
  chmodSync(at('long'), 0o400);
  if (isRoot) run('setcap', '-r', at('capable'));
  const { summary } = await checkReturn(sandbox, 'latest', target);
  assert.equal(summary.data_blobs, 0, 'no content is stored again');
  assert.ok(summary.files_changed >= 5, `${summary.files_changed} files changed`);
});

interface SparseFile {
  readonly name: string;
  readonly size: number;
  /** Offset and length. */
  readonly data: readonly (readonly [number, number])[];
}

const SPARSE: readonly SparseFile[] = [
  { name: 'all hole', size: 20 * MIB, data: [] },
  { name: 'hole at the start', size: 5 * MIB, data: [[4 * MIB, MIB]] },
  {
    name: 'hole in the middle',
    size: 9 * MIB,
    data: [
      [0, MIB],
      [8 * MIB, MIB],
    ],
  },
  { name: 'hole at the end', size: 9 * MIB + 1, data: [[0, 100_000]] },
  {
    name: 'data at odd places',
    size: 20 * MIB + 7,
    data: [
      [1, 1],
      [3 * MIB - 5, 11],
      [20 * MIB + 6, 1],
    ],
  },
  { name: 'many holes', size: 16 * MIB, data: Array.from({ length: 1000 }, (_, i) => [i * 16_384, 4096] as const) },
  {
    name: 'across segments',
    size: 80 * MIB,
    data: [[62 * MIB, 4 * MIB]],
  },
];

test('restore returns holes as holes', { skip }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'holes'));
  for (const { name, size, data } of SPARSE) {
    const file = openSync(join(sandbox.source, name), 'w');
    ftruncateSync(file, size);
    for (const [offset, length] of data) writeSync(file, randomBytes(length), 0, length, offset);
    closeSync(file);
  }
  writeFileSync(join(sandbox.source, 'zeros, no hole'), Buffer.alloc(3 * MIB));
  const { target } = await checkReturn(sandbox);
  await checkReturn(sandbox, 'latest', target);
});

test('backup and restore of a tebibyte of hole take little time and space', { timeout: 60_000 }, async (t) => {
  const sandbox = await Sandbox.create(join(scratch, 'huge'));
  const path = join(sandbox.source, 'huge');
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, 2 ** 40);
  } catch {
    return t.skip('this file system has no files of a tebibyte');
  } finally {
    closeSync(file);
  }
  const { snapshot, summary } = await sandbox.backup();
  assert.equal(summary.data_blobs, 0);
  const { target } = await sandbox.restoreSource(snapshot.root);
  const { size, blocks } = statSync(join(target, 'huge'));
  assert.equal(size, 2 ** 40);
  assert.ok(blocks < 100, `${blocks} blocks`);
});

/** Attributes of more than some KiB are for file systems such as tmpfs, XFS and btrfs. */
const LARGE = '/dev/shm';

test('restore returns an attribute of 40 KB', { skip }, async (t) => {
  let directory: string;
  try {
    accessSync(LARGE, constants.W_OK);
    directory = mkdtempSync(join(LARGE, 'varve-test-'));
  } catch {
    return t.skip(`${LARGE} is not there to write to`);
  }
  try {
    const sandbox = await Sandbox.create(directory);
    const value = randomBytes(40_000);
    writeFileSync(join(sandbox.source, 'file'), 'content');
    writeFileSync(
      join(directory, 'attributes'),
      `# file: ${sandbox.source}/file\nuser.large=0s${value.toString('base64')}\n`,
    );
    try {
      run('setfattr', `--restore=${join(directory, 'attributes')}`);
    } catch {
      return t.skip(`${LARGE} takes no attribute of 40 KB`);
    }
    await checkReturn(sandbox);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('restore returns paths beyond the kernel’s limit', { skip }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'deep'));
  makeDeepDirectory(sandbox.source, 20, 'deep down');
  writeFileSync(join(sandbox.source, 'beside'), 'kept');
  const { target } = await checkReturn(sandbox);
  await checkReturn(sandbox, 'latest', target);
});

test('restore returns attributes for a normal user, also over existing files', {
  skip: skip || (!isRoot && 'runs as a normal user anyway'),
}, (t) => {
  runAsNobody(t, scratch, ['--test-name-pattern', 'attributes', beside('attributes.test.js')]);
});

test('restore as the owner writes into a read-only directory, with attributes', { skip }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'read only'));
  const directory = join(sandbox.source, 'folder');
  mkdirSync(directory);
  for (const name of ['same', 'changed', 'removed']) writeFileSync(join(directory, name), name);
  chmodSync(directory, 0o550);
  const { target } = await checkReturn(sandbox);
  chmodSync(directory, 0o750);
  writeFileSync(join(directory, 'changed'), 'anew');
  writeFileSync(join(directory, 'new'), 'new');
  rmSync(join(directory, 'removed'));
  chmodSync(directory, 0o550);
  await checkReturn(sandbox, 'latest', target);
});
