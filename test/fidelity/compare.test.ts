import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { missingPrograms } from './commands.js';
import { assertEqualTrees, compareTrees } from './compare.js';
import { makeDeepDirectory } from './deep-directory.js';

const scratch = scratchDirectory();
const missing = missingPrograms();
const skip = missing ?? false;
const isRoot = process.getuid?.() === 0;
const rootOnly = skip || (!isRoot && 'only root can do this');

const ODD = ['new\nline', '\xff\xfe', '-rf', 'back\\slash', '\x01\x7f', ' ', '*?[a]', '"quotes\'', 'a=b', '# file: x'];
const at = (...names: string[]): Buffer => Buffer.from(names.join('/'), 'latin1');

function fill(root: string): void {
  mkdirSync(join(root, 'folder'), { recursive: true });
  for (const name of ODD) {
    writeFileSync(at(root, name), name);
    mkdirSync(at(root, 'folder', name));
    symlinkSync(at(name), at(root, 'folder', name, 'link'));
  }
  writeFileSync(join(root, 'file'), 'content');
  linkSync(join(root, 'file'), join(root, 'folder/linked'));
  writeFileSync(join(root, 'other'), 'content');
  const sparse = openSync(join(root, 'sparse'), 'w');
  truncateSync(join(root, 'sparse'), 3_000_000);
  writeSync(sparse, 'x', 1_000_000);
  closeSync(sparse);
  execFileSync('mkfifo', [join(root, 'fifo')]);
  execFileSync('setfattr', ['-n', 'user.a=b', '-v', '0x000aff', join(root, 'file')]);
  execFileSync('setfacl', ['-m', 'u:4711:r', join(root, 'other')]);
  if (isRoot) execFileSync('setcap', ['cap_net_raw+ep', join(root, 'other')], { env: { PATH: '/usr/sbin:/sbin' } });
  if (isRoot) execFileSync('mknod', [join(root, 'device'), 'c', '259', '70000']);
}

function pair(name: string): { left: string; right: string } {
  const [left, right] = [join(scratch, name, 'left'), join(scratch, name, 'right')];
  fill(left);
  execFileSync('cp', ['-a', left, right]);
  return { left, right };
}

test('compare finds a full copy equal, with any names', { skip }, () => {
  const { left, right } = pair('equal');
  assertEqualTrees(left, right);
});

const changes: readonly [what: string, path: string, change: (root: string) => void, rootOnly?: boolean][] = [
  ['path', 'other', (root) => unlinkSync(join(root, 'other'))],
  ['path', 'new\nname', (root) => renameSync(join(root, 'new\nline'), join(root, 'new\nname'))],
  ['mode', 'folder', (root) => chmodSync(join(root, 'folder'), 0o1777)],
  ['owner', 'other', (root) => chownSync(join(root, 'other'), 5, 6), true],
  ['time', 'other', (root) => execFileSync('touch', ['-d', '@1.000000001', join(root, 'other')])],
  ['sha256', 'other', (root) => writeFileSync(join(root, 'other'), 'CONTENT')],
  ['size', 'other', (root) => truncateSync(join(root, 'other'), 6)],
  ['target', 'folder/ /link', (root) => replaceLink(join(root, 'folder/ /link'))],
  ['linked to', 'folder/linked', (root) => unlink(join(root, 'folder/linked'))],
  ['blocks', 'sparse', (root) => execFileSync('cp', ['--sparse=never', join(root, 'sparse'), join(root, 'full')])],
  ['xattr user.a=b', 'file', (root) => execFileSync('setfattr', ['-x', 'user.a=b', join(root, 'file')])],
  ['xattr user.new', 'folder', (root) => execFileSync('setfattr', ['-n', 'user.new', join(root, 'folder')])],
  ['ACL', 'other', (root) => execFileSync('setfacl', ['-m', 'u:4711:rw', join(root, 'other')])],
  [
    'capabilities',
    'other',
    (root) => execFileSync('setfattr', ['-x', 'security.capability', join(root, 'other')]),
    true,
  ],
  ['device', 'device', (root) => remake(root), true],
  ['rsync', '', (root) => utimesSync(join(root, 'folder'), 1, 1)],
];

function replaceLink(path: string): void {
  unlinkSync(path);
  symlinkSync('elsewhere', path);
}

/** A file of its own with the same content. */
function unlink(path: string): void {
  execFileSync('cp', ['-a', path, `${path}.new`]);
  renameSync(`${path}.new`, path);
}

function remake(root: string): void {
  rmSync(join(root, 'device'));
  execFileSync('mknod', [join(root, 'device'), 'c', '259', '70001']);
}

for (const [what, path, change, asRoot] of changes) {
  test(`compare finds a difference: ${what} of ${JSON.stringify(path)}`, { skip: asRoot ? rootOnly : skip }, () => {
    const { left, right } = pair(`${what} ${Buffer.from(path).toString('hex')}`);
    change(right);
    if (what === 'blocks') renameSync(join(right, 'full'), join(right, 'sparse'));
    const found = compareTrees(left, right);
    assert.ok(
      found.some((each) => each.what === what && each.path === path),
      `${JSON.stringify(found)}`,
    );
  });
}

test('compare handles paths beyond the kernel’s limit', { skip }, () => {
  const [left, right] = [join(scratch, 'deep/left'), join(scratch, 'deep/right')];
  for (const root of [left, right]) {
    mkdirSync(root, { recursive: true });
    makeDeepDirectory(root, 20, 'the bottom');
    execFileSync('touch', ['-h', '-d', '@1', root]);
  }
  assertEqualTrees(left, right);
  makeDeepDirectory(join(left), 20, 'THE BOTTOM', 'other');
  makeDeepDirectory(join(right), 20, 'the bottom', 'other');
  const found = compareTrees(left, right);
  assert.ok(
    found.some(({ what, path }) => what === 'sha256' && path.length > 4900),
    JSON.stringify(found.map(({ what }) => what)),
  );
});
