import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD } from '../../src/filesystem/posix.js';
import { readXattrs, setXattr } from '../../src/filesystem/xattrs.js';
import { TREE } from '../../src/format/content.js';
import type { Entry } from '../../src/format/entry.js';
import { encodeXattrs, type Xattr } from '../../src/format/xattrs.js';
import type { RestoreOptions } from '../../src/restore/options.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { Forge } from './crafted.js';

const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));
const isRoot = process.getuid?.() === 0;
const OWNER = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

const xattr = (name: string, value: string | Buffer): Xattr => ({ name: Buffer.from(name), value: Buffer.from(value) });
const attributes = (path: string): string[] =>
  readXattrs({ directory: AT_FDCWD, name: Buffer.from(path) })
    .filter(({ name }) => !name.toString().startsWith('security.') || name.toString() === 'security.capability')
    .map(({ name, value }) => `${name}=${value.toString('hex')}`);
const told = (...xattrs: readonly Xattr[]): string[] =>
  xattrs.map(({ name, value }) => `${name}=${value.toString('hex')}`);

/** An ACL as the kernel takes it: owner rwx, one user, group, mask, others. */
function acl(user: number, mask: number): Buffer {
  const entries: [number, number, number][] = [
    [1, 7, 0xffff_ffff],
    [2, 6, user],
    [4, 5, 0xffff_ffff],
    [0x10, mask, 0xffff_ffff],
    [0x20, 0, 0xffff_ffff],
  ];
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2, 0);
  for (const [at, [tag, permission, id]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + at * 8);
    bytes.writeUInt16LE(permission, 6 + at * 8);
    bytes.writeUInt32LE(id, 8 + at * 8);
  }
  return bytes;
}

const COMMENT = xattr('user.comment', Buffer.from([0, 255, 10]));
const ACL = xattr('system.posix_acl_access', acl(1234, 6));
const DEFAULT_ACL = xattr('system.posix_acl_default', acl(1234, 7));
const CAPABILITY = xattr('security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex'));
const LABEL = xattr('security.varve', 'a label');
const TRUSTED = xattr('trusted.varve', 'x');

/** Why attributes cannot be tried here, if so. */
function withoutXattrs(...wanted: readonly Xattr[]): string | false {
  const path = mkdtempSync(join(scratch, 'probe-'));
  try {
    for (const each of wanted) setXattr({ directory: AT_FDCWD, name: Buffer.from(path) }, each);
    return false;
  } catch (cause) {
    return `attributes cannot be set here: ${cause}`;
  }
}
const noXattrs = withoutXattrs(COMMENT, ACL);

async function restored(
  craft: (forge: Forge) => Partial<Entry>[],
  changes: Partial<RestoreOptions> = {},
): Promise<{ target: string; warnings: string[]; updated: string[]; omitted: string[] }> {
  const forge = new Forge(await sandbox.open());
  const root = forge.directory(...craft(forge).map((each) => ({ ...OWNER, ...each })));
  await forge.finish();
  const { target, events, progress } = await sandbox.restore(root, { verbose: true, ...changes });
  assert.equal(progress.errors, 0, JSON.stringify(events));
  const warnings = events.flatMap((event) =>
    event.kind === 'warning' ? [`${event.path} ${event.about} ${event.message}`] : [],
  );
  assert.equal(progress.warnings, warnings.length);
  const having = (action: string): string[] =>
    events.flatMap((event) => (event.kind === 'item' && event.action === action ? [event.path.toString()] : []));
  const omitted = having('omitted');
  assert.equal(progress.filesOmitted, omitted.length);
  return { target, warnings, updated: having('updated'), omitted };
}

test('restore sets attributes and ACLs of files and directories, with modes and times', {
  skip: noXattrs,
}, async () => {
  const long = xattr('user.long', Buffer.alloc(2000, 7));
  const { target, warnings } = await restored((forge) => {
    const attached = forge.content(encodeXattrs([long]), TREE);
    const content = forge.content(Buffer.from('x'));
    return [
      { name: Buffer.from('acl'), content, mode: 0o760, xattrs: encodeXattrs([ACL, COMMENT]) },
      {
        name: Buffer.from('empty'),
        content: forge.content(Buffer.alloc(0)),
        mode: 0o400,
        xattrs: encodeXattrs([COMMENT]),
      },
      {
        name: Buffer.from('folder'),
        type: 'directory',
        content: forge.directory(),
        mode: 0o555,
        xattrs: encodeXattrs([DEFAULT_ACL, COMMENT]),
      },
      { name: Buffer.from('long'), content, xattrs: attached },
      { name: Buffer.from('long folder'), type: 'directory', content: forge.directory(), xattrs: attached },
    ];
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(attributes(join(target, 'acl')), told(ACL, COMMENT));
  assert.deepEqual(attributes(join(target, 'empty')), told(COMMENT));
  assert.deepEqual(attributes(join(target, 'folder')), told(DEFAULT_ACL, COMMENT));
  assert.deepEqual(attributes(join(target, 'long')), told(long));
  assert.deepEqual(attributes(join(target, 'long folder')), told(long));
  const stat = lstatSync(join(target, 'acl'));
  assert.equal(stat.mode & 0o7777, 0o760);
  assert.equal(stat.mtimeMs, 1_000_000_000_000);
  assert.equal(lstatSync(join(target, 'empty')).mode & 0o7777, 0o400);
  assert.equal(lstatSync(join(target, 'folder')).mtimeMs, 1_000_000_000_000);
});

test('restore sets capabilities, and attributes of links and FIFOs', {
  skip: !isRoot ? 'only root can set them' : withoutXattrs(TRUSTED),
}, async () => {
  const { target, warnings } = await restored((forge) => [
    {
      name: Buffer.from('capable'),
      content: forge.content(Buffer.from('x')),
      mode: 0o2755,
      gid: 12,
      xattrs: encodeXattrs([CAPABILITY]),
    },
    { name: Buffer.from('fifo'), type: 'fifo', xattrs: encodeXattrs([ACL, TRUSTED]), mode: 0o760 },
    { name: Buffer.from('link'), target: Buffer.from('nowhere'), xattrs: encodeXattrs([TRUSTED]) },
  ]);
  assert.deepEqual(warnings, []);
  assert.deepEqual(attributes(join(target, 'capable')), told(CAPABILITY));
  assert.equal(lstatSync(join(target, 'capable')).mode & 0o7777, 0o2755);
  assert.deepEqual(attributes(join(target, 'fifo')), told(ACL, TRUSTED));
  assert.equal(lstatSync(join(target, 'fifo')).mode & 0o7777, 0o760);
  assert.deepEqual(attributes(join(target, 'link')), told(TRUSTED));
});

test('restore removes attributes that the snapshot lacks', {
  skip: noXattrs,
}, async () => {
  const target = mkdtempSync(join(scratch, 'inheriting-'));
  const at = (name: string) => ({ directory: AT_FDCWD, name: Buffer.from(join(target, name)) });
  setXattr(at('.'), DEFAULT_ACL);
  mkdirSync(join(target, 'folder'));
  setXattr(at('folder'), COMMENT);
  writeFileSync(join(target, 'same'), 'x');
  chmodSync(join(target, 'same'), 0o600);
  setXattr(at('same'), COMMENT);
  const entries = (forge: Forge): Partial<Entry>[] => {
    const content = forge.content(Buffer.from('x'));
    const inside = forge.directory({ name: Buffer.from('file'), content, ...OWNER });
    return [
      { name: Buffer.from('folder'), type: 'directory', content: inside },
      { name: Buffer.from('new'), content, mode: 0o640 },
      { name: Buffer.from('new folder'), type: 'directory', content: inside },
      { name: Buffer.from('same'), content },
    ];
  };
  const { updated } = await restored(entries, { target });
  for (const name of ['folder', 'folder/file', 'new', 'new folder', 'new folder/file', 'same'])
    assert.deepEqual(attributes(join(target, name)), [], name);
  assert.equal(lstatSync(join(target, 'new')).mode & 0o7777, 0o640);
  assert.deepEqual(attributes(target), told(DEFAULT_ACL), 'the target itself stays as it is');
  assert.deepEqual(updated, ['/same']);
  assert.deepEqual((await restored(entries, { target })).updated, [], 'all is right now');
});

test('restore keeps labels of security modules', {
  skip: withoutXattrs(LABEL),
}, async () => {
  const target = mkdtempSync(join(scratch, 'labelled-'));
  const place = { directory: AT_FDCWD, name: Buffer.from(join(target, 'file')) };
  writeFileSync(join(target, 'file'), 'x');
  setXattr(place, LABEL);
  setXattr(place, COMMENT);
  const entries = (forge: Forge): Partial<Entry>[] => [
    { name: Buffer.from('file'), content: forge.content(Buffer.from('x')) },
  ];
  assert.deepEqual((await restored(entries, { target })).updated, ['/file']);
  assert.deepEqual(
    readXattrs(place).filter((each) => each.name.equals(LABEL.name)),
    [LABEL],
  );
  assert.deepEqual(attributes(join(target, 'file')), []);
  assert.deepEqual((await restored(entries, { target })).updated, [], 'nor does it make a difference');
});

test('restore reports unreadable attributes and keeps those of the existing file', {
  skip: noXattrs,
}, async () => {
  const target = mkdtempSync(join(scratch, 'unknown-'));
  const path = join(target, 'file');
  writeFileSync(path, 'x', { mode: 0o600 });
  setXattr({ directory: AT_FDCWD, name: Buffer.from(path) }, COMMENT);
  const forge = new Forge(await sandbox.open());
  const lost = { size: 2000, depth: 0 as const, ids: Buffer.alloc(32, 7) };
  const root = forge.directory({ name: Buffer.from('file'), content: forge.content(Buffer.from('x')), xattrs: lost });
  await forge.finish();
  const { progress, events } = await sandbox.restore(root, { target });
  assert.deepEqual([progress.errors, progress.warnings], [1, 0]);
  assert.match(
    JSON.stringify(events.map((event) => event.kind !== 'item' && event.message)),
    /its attributes cannot be read/,
  );
  assert.deepEqual(attributes(path), told(COMMENT));
  assert.equal(lstatSync(path).mode & 0o7777, 0o644);
});

test('restore warns of an attribute that cannot be set and restores the rest', async () => {
  const { target, warnings } = await restored((forge) => [
    {
      name: Buffer.from('odd'),
      content: forge.content(Buffer.from('y')),
      mode: 0o604,
      xattrs: encodeXattrs([xattr('nonsense.name', '1')]),
    },
  ]);
  assert.deepEqual(
    warnings.map((line) => line.split(' ').slice(0, 2).join(' ')),
    ['/odd attribute'],
  );
  assert.equal(readFileSync(join(target, 'odd'), 'utf8'), 'y');
  assert.equal(lstatSync(join(target, 'odd')).mode & 0o7777, 0o604);
  assert.equal(lstatSync(join(target, 'odd')).mtimeMs, 1_000_000_000_000);
});

test('restore warns where the file system has no attributes', async (t) => {
  const target = mkdtempSync(join(scratch, 'plain-'));
  if (spawnSync('mount', ['-t', 'ramfs', 'none', target]).status !== 0)
    return t.skip('no file system without attributes can be mounted here');
  try {
    const entries = (forge: Forge): Partial<Entry>[] => [
      { name: Buffer.from('file'), content: forge.content(Buffer.from('x')), xattrs: encodeXattrs([ACL, COMMENT]) },
      {
        name: Buffer.from('folder'),
        type: 'directory',
        content: forge.directory(),
        xattrs: encodeXattrs([COMMENT]),
      },
      { name: Buffer.from('plain'), content: forge.content(Buffer.from('y')) },
    ];
    const { warnings } = await restored(entries, { target });
    assert.deepEqual(warnings.map((line) => line.split(' ', 2).join(' ')).sort(), [
      ...['/file attribute', '/file attribute', '/folder attribute'],
    ]);
    assert.match(warnings.join(), /cannot set its attribute user\.comment/);
    assert.equal(readFileSync(join(target, 'plain'), 'utf8'), 'y');
    assert.equal(lstatSync(join(target, 'file')).mode & 0o7777, 0o644);
  } finally {
    spawnSync('umount', ['-l', target]);
  }
});

test('restore warns when it cannot set owners, and sets no setuid bit for another owner', async () => {
  const stranger = { uid: OWNER.uid + 1, gid: OWNER.gid };
  const entries = (forge: Forge): Partial<Entry>[] =>
    [
      { name: Buffer.from('another'), content: forge.content(Buffer.from('x')), mode: 0o4755, ...stranger },
      { name: Buffer.from('mine'), content: forge.content(Buffer.from('y')), mode: 0o4755 },
      { name: Buffer.from('link'), target: Buffer.from('x'), ...stranger },
    ].sort((a, b) => Buffer.compare(a.name, b.name));
  const { target, warnings } = await restored(entries, { setOwner: false });
  assert.deepEqual(warnings.map((line) => line.split(' ').slice(0, 2).join(' ')).sort(), [
    '/another mode',
    '/another owner',
    '/link owner',
  ]);
  assert.match(warnings.join(), /its owner is \d+:\d+ and not \d+:\d+: only root/);
  assert.equal(statSync(join(target, 'another')).mode & 0o7777, 0o755);
  assert.equal(statSync(join(target, 'mine')).mode & 0o7777, 0o4755);
});

test('restore sets the group where that is allowed', {
  skip: !isRoot && 'only root has a group to give for certain',
}, async () => {
  const { target, warnings } = await restored(
    (forge) => [{ name: Buffer.from('file'), content: forge.content(Buffer.from('x')), gid: 12, mode: 0o2755 }],
    { setOwner: false },
  );
  assert.deepEqual(warnings, []);
  assert.equal(statSync(join(target, 'file')).gid, 12);
  assert.equal(statSync(join(target, 'file')).mode & 0o7777, 0o2755);
});

test('--no-special makes no FIFO, device or set-id bits, and counts them', async () => {
  const { target, warnings, omitted } = await restored(
    (forge) => [
      { name: Buffer.from('device'), type: 'character', rdev: [1, 3] },
      { name: Buffer.from('fifo'), type: 'fifo' },
      { name: Buffer.from('folder'), type: 'directory', content: forge.directory(), mode: 0o3777 },
      { name: Buffer.from('link'), target: Buffer.from('x'), mode: 0o777 },
      { name: Buffer.from('setuid'), content: forge.content(Buffer.from('x')), mode: 0o6755 },
      { name: Buffer.from('socket'), type: 'socket' },
    ],
    { noSpecial: true },
  );
  assert.deepEqual(warnings, []);
  assert.deepEqual(omitted.sort(), ['/device', '/fifo', '/folder', '/setuid', '/socket']);
  assert.deepEqual(readdirSync(target).sort(), ['folder', 'link', 'setuid']);
  assert.equal(statSync(join(target, 'setuid')).mode & 0o7777, 0o755);
  assert.equal(statSync(join(target, 'folder')).mode & 0o7777, 0o1777);
});
