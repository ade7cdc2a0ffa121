import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD, mknodat, utimensat } from '../../src/filesystem/posix.js';
import { missingPrograms } from '../fidelity/commands.js';
import { assertEqualTrees } from '../fidelity/compare.js';
import { WHOLE } from '../whole.js';
import { Sandbox, scratchDirectory } from './sandbox.js';
import { assertSameTree, treeImage } from './tree-image.js';

const MANY = WHOLE ? 20_000 : 4000;
const isRoot = process.getuid?.() === 0;
const scratch = scratchDirectory();

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

function setTime(path: string | Buffer, seconds: number, nanoseconds: number): void {
  utimensat(AT_FDCWD, Buffer.from(path), { seconds, nanoseconds }, { seconds, nanoseconds });
}

/** Every sort of file that a backup keeps. */
function buildZoo(root: string): void {
  const at = (name: string): string => join(root, name);
  writeFileSync(at('empty'), '');
  writeFileSync(at('one byte'), 'x');
  writeFileSync(at('small'), 'hello\n');
  writeFileSync(at('large'), randomBytes(5_000_000));
  writeFileSync(at('zeros'), Buffer.alloc(3_000_000));
  mkdirSync(at('folder/of/folders'), { recursive: true });
  mkdirSync(at('empty folder'));
  writeFileSync(at('folder/of/folders/file'), 'deep');
  for (const [name, target] of Object.entries({
    dangling: 'nowhere',
    absolute: '/etc/passwd',
    'to-folder': 'folder',
    loop: 'loop',
    up: '../..',
    odd: 'a\nb \xff',
  }))
    symlinkSync(bytes(target), at(name));
  symlinkSync('x'.repeat(4000), at('long link'));
  linkSync(at('small'), at('folder/hard link'));
  linkSync(at('small'), at('folder/of/another'));
  linkSync(at('large'), at('folder/large too'));
  linkSync(at('dangling'), at('folder/linked link'));
  linkSync(at('empty'), at('folder/empty too'));
  for (const mode of [0o000, 0o400, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o1644, 0o6711]) {
    writeFileSync(at(`mode ${mode.toString(8)}`), `mode ${mode}`);
    chmodSync(at(`mode ${mode.toString(8)}`), isRoot || (mode & 0o400) !== 0 ? mode : 0o600);
  }
  for (const mode of [0o700, 0o1777, 0o2770, 0o555]) {
    mkdirSync(at(`folder ${mode.toString(8)}`));
    writeFileSync(at(`folder ${mode.toString(8)}/inside`), 'x');
  }
  for (const name of [
    '\xff\xfe',
    'new\nline',
    'tab\t',
    ' ',
    '-rf',
    '\x01',
    '\\',
    '"quotes\'',
    '\xe4\xf6',
    'n'.repeat(255),
    '.hidden',
    '...',
  ])
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), bytes(name)]), name);
  mkdirSync(Buffer.concat([Buffer.from(`${root}/`), bytes('folder\xff')]));
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), bytes('folder\xff/\xfe')]), 'x');
  buildDeep(root);
  mknodat(AT_FDCWD, Buffer.from(at('fifo')), 0o010644);
  if (isRoot) buildOwned(at);
  buildTimes(at);
  for (const mode of [0o700, 0o1777, 0o2770, 0o555]) chmodSync(at(`folder ${mode.toString(8)}`), mode);
}

/** A path of about 3,000 bytes, from the root of the file system on. */
function buildDeep(root: string): void {
  let path = root;
  for (let depth = 0; depth < 14; depth++) {
    path = join(path, `${depth}`.padEnd(200, 'd'));
    mkdirSync(path);
  }
  writeFileSync(join(path, 'bottom'), 'deep down');
}

function buildOwned(at: (name: string) => string): void {
  for (const [name, uid, gid] of [
    ['owned', 12_345, 54_321],
    ['owned by nobody', 65_534, 0],
    ['large numbers', 4_000_000_000, 4_294_967_290],
  ] as const) {
    writeFileSync(at(name), name);
    chownSync(at(name), uid, gid);
    chmodSync(at(name), 0o6755);
  }
  mkdirSync(at('owned folder'));
  chownSync(at('owned folder'), 1234, 4321);
  symlinkSync('owned', at('owned link'));
  lchownSync(at('owned link'), 77, 78);
}

function buildTimes(at: (name: string) => string): void {
  const times = [
    [0, 0],
    [0, 1],
    [-1, 999_999_999],
    [-1_000_000_000, 123_456_789],
    [1_700_000_000, 1],
    [2_147_483_648, 5],
    [4_000_000_000, 999_999_999],
  ] as const;
  mkdirSync(at('times'));
  for (const [number, [seconds, nanoseconds]] of times.entries()) {
    writeFileSync(at(`times/file ${number}`), '');
    mkdirSync(at(`times/folder ${number}`));
    symlinkSync('target', at(`times/link ${number}`));
    for (const kind of ['file', 'folder', 'link']) setTime(at(`times/${kind} ${number}`), seconds, nanoseconds);
  }
  setTime(at('times'), 1_234_567_890, 987_654_321);
}

test('restore returns every kind of file: contents, names, links, modes, owners, times', async (t) => {
  const sandbox = await Sandbox.create(join(scratch, 'zoo'));
  buildZoo(sandbox.source);
  const wanted = treeImage(sandbox.source);
  const { snapshot, errors, events } = await sandbox.backup();
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'error'),
    [],
  );
  assert.equal(errors, 0);
  const { target, progress, events: told } = await sandbox.restore(snapshot.root, { verify: true });
  assert.deepEqual(told, []);
  assert.equal(progress.errors + progress.warnings, 0);
  const restored = target + sandbox.source;
  assertSameTree(restored, wanted);
  assert.deepEqual(treeImage(sandbox.source), wanted, 'a backup changes nothing in its source');
  const missing = missingPrograms();
  if (missing !== undefined) return t.diagnostic(`not compared by other programs: ${missing}`);
  assertEqualTrees(sandbox.source, restored);
});

test('restore returns devices with their numbers', { skip: !isRoot && 'only root makes devices' }, async (t) => {
  const sandbox = await Sandbox.create(join(scratch, 'devices'));
  try {
    mknodat(AT_FDCWD, Buffer.from(join(sandbox.source, 'null')), 0o020666, 0x103);
    mknodat(AT_FDCWD, Buffer.from(join(sandbox.source, 'disk')), 0o060660, 0x801);
  } catch {
    return t.skip('not allowed to make devices here');
  }
  const { snapshot } = await sandbox.backup();
  const { target, progress } = await sandbox.restoreSource(snapshot.root);
  assert.equal(progress.errors, 0);
  assertSameTree(target, sandbox.source);
});

test('restore returns a large file with holes, which all threads share', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'segments'));
  const path = join(sandbox.source, 'image');
  const file = openSync(path, 'w');
  ftruncateSync(file, 150 * 2 ** 20 + 12_345);
  for (const place of [0, 64 * 2 ** 20 - 500, 128 * 2 ** 20 - 1, 150 * 2 ** 20])
    writeSync(file, randomBytes(1000), 0, 1000, place);
  closeSync(file);
  const { snapshot, summary } = await sandbox.backup({ threads: 2 });
  assert.equal(summary.total_bytes_processed, 150 * 2 ** 20 + 12_345);
  assert.ok(summary.data_added_packed < 2_000_000, `${summary.data_added_packed} bytes stored`);
  const { target } = await sandbox.restoreSource(snapshot.root, { verify: true, threads: 2 });
  assertSameTree(target, sandbox.source);
});

test('backup stores little when one of thousands of files in a directory changes', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'many'));
  for (let number = 0; number < MANY; number++)
    writeFileSync(join(sandbox.source, `file ${number}`), `content ${number % 1000}`);
  const first = await sandbox.backup();
  assert.equal(first.summary.files_new, MANY);
  assert.equal(first.summary.data_blobs, 1000);
  const { target, progress } = await sandbox.restoreSource(first.snapshot.root);
  assert.equal(progress.filesRestored, MANY);
  assertSameTree(target, sandbox.source);
  writeFileSync(join(sandbox.source, 'file 777'), 'changed');
  const second = await sandbox.backup({ parent: 'latest' });
  assert.equal(second.summary.files_changed, 1);
  assert.equal(second.summary.files_unmodified, MANY - 1);
  assert.equal(second.summary.data_blobs, 1);
  assert.ok(second.summary.tree_blobs < 12, `${second.summary.tree_blobs} tree blobs`);
  const again = await sandbox.restoreSource(second.snapshot.root);
  assertSameTree(again.target, sandbox.source);
});

test('a user who is not root backs up and restores own files', {
  skip: !isRoot && 'runs as a normal user anyway',
}, async (t) => {
  const directory = join(scratch, 'as-nobody');
  mkdirSync(directory);
  chmodSync(scratch, 0o755);
  chownSync(directory, 65_534, 65_534);
  const script = new URL('./as-user.js', import.meta.url).pathname;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [script, directory], {
    uid: 65_534,
    gid: 65_534,
    cwd: '/',
    env: { PATH: process.env['PATH'], HOME: directory, TMPDIR: directory },
    encoding: 'utf8',
  });
  if (error !== undefined || /EACCES.*(node_modules|build)|Cannot find module/.test(stderr))
    return t.skip('this checkout is not readable for others');
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(stdout), {
    errors: 3,
    bytes: 'mine'.length * 2 + 'deep'.length,
    same: true,
    unreadable: ['secret', 'secret and large', 'secret folder'],
    restoreErrors: 0,
    restoreWarnings: 0,
  });
});
