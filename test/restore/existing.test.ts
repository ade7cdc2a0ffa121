import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AT_FDCWD, mknodat } from '../../src/filesystem/posix.js';
import type { ContentRef } from '../../src/format/content.js';
import type { RestoreAction, RestoreOptions } from '../../src/restore/options.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { assertSameTree } from '../backup/tree-image.js';
import { Forge } from './crafted.js';

const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));
const MIB = 1024 * 1024;
const SECONDS = 1_000_000_000;
const OWNER = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
/** A number that no process has. */
const NOBODY = 2 ** 22 + 1;
let number = 0;

const large = randomBytes(24 * MIB);
const forge = new Forge(await sandbox.open());
const root: ContentRef = forge.directory(
  { name: Buffer.from('large'), content: forge.content(large), ...OWNER },
  { name: Buffer.from('small'), content: forge.content(Buffer.from('small')), ...OWNER },
);
const twoNames = forge.directory({
  name: Buffer.from('small'),
  content: forge.content(Buffer.from('small')),
  links: 2,
  ...OWNER,
});
await forge.finish();

const newTarget = (): string => {
  const target = join(scratch, `target-${number++}`);
  mkdirSync(target);
  return target;
};
const inode = (path: string): number => lstatSync(path).ino;
const hash = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 32);

async function actions(
  target: string,
  from = root,
  changes: Partial<RestoreOptions> = {},
): Promise<Record<string, RestoreAction>> {
  const { events, progress } = await sandbox.restore(from, { target, verbose: true, ...changes });
  assert.equal(progress.errors + progress.warnings, 0, JSON.stringify(events));
  return Object.fromEntries(
    events.flatMap((event) => (event.kind === 'item' ? [[event.path.toString(), event.action]] : [])),
  );
}

function change(path: string, offset: number, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from(text), 0, text.length, offset);
  closeSync(file);
}

test('restore rewrites no correct file, and corrects metadata', async () => {
  const target = newTarget();
  assert.deepEqual(await actions(target), { '/large': 'restored', '/small': 'restored' });
  const before = [inode(join(target, 'large')), inode(join(target, 'small'))];
  assert.deepEqual(await actions(target), { '/large': 'unchanged', '/small': 'unchanged' });
  chmodSync(join(target, 'large'), 0o600);
  utimesSync(join(target, 'small'), SECONDS, SECONDS + 0.5);
  assert.deepEqual(await actions(target, root, { dryRun: true }), { '/large': 'updated', '/small': 'updated' });
  assert.equal(lstatSync(join(target, 'large')).mode & 0o7777, 0o600, 'a dry run only tells');
  assert.deepEqual(await actions(target), { '/large': 'updated', '/small': 'updated' });
  assert.deepEqual([inode(join(target, 'large')), inode(join(target, 'small'))], before);
  assert.equal(lstatSync(join(target, 'large')).mode & 0o7777, 0o644);
  assert.equal(lstatSync(join(target, 'small')).mtimeMs, SECONDS * 1000);
  const { progress } = await sandbox.restore(root, { target });
  assert.equal(progress.filesSkipped, 2);
  assert.deepEqual([progress.bytesRestored, progress.bytesSkipped], [0, large.length + 5]);
});

test('restore writes only the wrong parts, and never the existing file', async () => {
  // A file that others may write to is not trusted while it is copied.
  for (const mode of [0o644, 0o666]) {
    const target = newTarget();
    const path = join(target, 'large');
    await actions(target);
    change(path, 10 * MIB, 'changed');
    chmodSync(path, mode);
    linkSync(path, join(scratch, `witness-${number}`));
    const { progress } = await sandbox.restore(root, { target, verify: true });
    assert.equal(progress.errors, 0);
    assert.ok(progress.bytesRestored > 0 && progress.bytesRestored < 5 * MIB, `${progress.bytesRestored}`);
    assert.equal(progress.bytesRestored + progress.bytesSkipped, large.length + 5);
    assert.ok(readFileSync(path).equals(large));
    assert.equal(
      readFileSync(join(scratch, `witness-${number}`)).toString('latin1', 10 * MIB, 10 * MIB + 7),
      'changed',
    );
    assert.deepEqual(readdirSync(target).sort(), ['large', 'small']);
    truncateSync(path, 7 * MIB);
    const { progress: shorter } = await sandbox.restore(root, { target, verify: true });
    assert.ok(shorter.bytesSkipped > 6 * MIB && shorter.bytesSkipped < 8 * MIB);
    writeFileSync(path, Buffer.concat([large, Buffer.from('more')]));
    const { progress: longer } = await sandbox.restore(root, { target, verify: true });
    assert.equal(longer.bytesRestored, 0);
    assert.ok(readFileSync(path).equals(large));
  }
});

test('restore does not change a file that has other names', async () => {
  for (const from of [root, twoNames]) {
    for (const content of ['small', 'other']) {
      const target = newTarget();
      const outside = join(scratch, `outside-${number}`);
      writeFileSync(outside, content, { mode: 0o600 });
      linkSync(outside, join(target, 'small'));
      const { mode, mtimeMs, ino } = lstatSync(outside);
      assert.equal((await actions(target, from))['/small'], 'restored');
      const after = lstatSync(outside);
      assert.deepEqual([after.mode, after.mtimeMs, after.ino, after.nlink], [mode, mtimeMs, ino, 1]);
      assert.equal(readFileSync(outside, 'utf8'), content);
      assert.equal(lstatSync(join(target, 'small')).mode & 0o777, 0o644);
    }
  }
});

test('restore replaces a file that another process may have open for writing', async () => {
  const target = newTarget();
  await actions(target);
  const path = join(target, 'small');
  chmodSync(path, 0o666);
  const open = openSync(path, 'r+');
  assert.equal((await actions(target))['/small'], 'restored');
  writeSync(open, Buffer.from('EVIL!'), 0, 5, 0);
  closeSync(open);
  assert.equal(readFileSync(path, 'utf8'), 'small');
});

test('restore replaces a file that other users or a group could write', {
  skip: process.getuid?.() !== 0 && 'only root can give files away',
}, async () => {
  const own = new Forge(await sandbox.open());
  const shared = own.directory({
    name: Buffer.from('small'),
    content: own.content(Buffer.from('small')),
    mode: 0o664,
    ...OWNER,
  });
  await own.finish();
  const target = newTarget();
  await actions(target, shared);
  const path = join(target, 'small');
  for (const [uid, gid, mode, action] of [
    [OWNER.uid + 1, OWNER.gid, 0o644, 'restored'],
    [OWNER.uid, OWNER.gid + 1, 0o664, 'restored'],
    [OWNER.uid, OWNER.gid + 1, 0o644, 'updated'],
  ] as const) {
    chownSync(path, uid, gid);
    chmodSync(path, mode);
    const open = openSync(path, 'r');
    const before = inode(path);
    assert.equal((await actions(target, shared))['/small'], action);
    assert.equal(inode(path) === before, action === 'updated');
    assert.deepEqual([lstatSync(path).uid, lstatSync(path).gid], [OWNER.uid, OWNER.gid]);
    closeSync(open);
  }
});

test('restore reports a large file that cannot get its name, and leaves nothing of it', async () => {
  const target = newTarget();
  const { progress, events } = await sandbox.restore(root, {
    target,
    verbose: true,
    // Large files get their names when all is written.
    onEvent: ({ path }) => void (path.toString() === '/small' && mkdirSync(join(target, 'large'))),
  });
  assert.deepEqual(
    events.map(({ kind, path }) => `${kind} ${path}`),
    ['item /small', 'error /large'],
  );
  assert.deepEqual([progress.filesRestored, progress.bytesRestored], [1, 5]);
  assert.deepEqual(readdirSync(target).sort(), ['large', 'small']);
});

test('restore keeps existing hard links and makes missing ones', async () => {
  const box = await Sandbox.create(join(scratch, 'links'));
  for (const name of ['a', 'b', 'sub/c']) {
    mkdirSync(join(box.source, 'sub'), { recursive: true });
    if (name === 'a') writeFileSync(join(box.source, name), 'content');
    else linkSync(join(box.source, 'a'), join(box.source, name));
  }
  const { snapshot } = await box.backup();
  const { target } = await box.restoreSource(snapshot.root);
  const before = inode(join(target, 'a'));
  const { progress } = await box.restoreSource(snapshot.root, { target });
  assert.deepEqual([progress.filesSkipped, progress.filesRestored, progress.bytesRestored], [3, 0, 0]);
  assert.equal(inode(join(target, 'sub/c')), before);
  assertSameTree(target, box.source);
});

test('restore continues an interrupted large file', async () => {
  const target = newTarget();
  const abort = new AbortController();
  const running = sandbox.restore(root, {
    target,
    signal: abort.signal,
    onStart: (progress) => {
      const timer = setInterval(() => {
        if (progress().bytesRestored < 4 * MIB) return;
        clearInterval(timer);
        abort.abort();
      }, 1);
      timer.unref();
    },
  });
  await running.catch(() => undefined);
  const left = readdirSync(target).filter((name) => name.startsWith('.varve-'));
  if (existsSync(join(target, 'large'))) return;
  assert.match(left.join(), /^\.varve-part-[0-9a-f]{32}-\d+-[0-9a-f]{12}$/);
  const { progress } = await sandbox.restore(root, { target, verify: true });
  assert.equal(progress.errors, 0);
  assert.ok(progress.bytesSkipped >= 4 * MIB, `${progress.bytesSkipped} bytes were there`);
  assert.deepEqual(readdirSync(target).sort(), ['large', 'small']);
  assert.ok(readFileSync(join(target, 'large')).equals(large));
});

test('restore removes leftovers of ended runs, not of running ones', async () => {
  const target = newTarget();
  const stays = [
    `.varve-tmp-${process.ppid}-0a-1-0`,
    `.varve-part-${hash('large')}-${process.ppid}-0a`,
    '.varve-other',
    '.varve-tmp-x',
  ];
  const goes = [
    `.varve-tmp-${NOBODY}-0a-1-0`,
    `.varve-tmp-${process.pid}-0a-1-0`,
    `.varve-part-${hash('gone')}-${NOBODY}-0a`,
  ];
  for (const name of [...stays, ...goes]) writeFileSync(join(target, name), 'left', { mode: 0o600 });
  symlinkSync('nowhere', join(target, `.varve-tmp-${NOBODY}-0a-1-1`));
  await sandbox.restore(root, { target, dryRun: true });
  assert.equal(readdirSync(target).length, 8);
  await actions(target);
  assert.deepEqual(readdirSync(target).sort(), [...stays, 'large', 'small'].sort());
});

test('restore removes leftovers of a correct file, except in a dry run', async () => {
  const target = newTarget();
  await actions(target);
  const part = `.varve-part-${hash('large')}-${NOBODY}-0a`;
  writeFileSync(join(target, part), large.subarray(0, 8 * MIB), { mode: 0o600 });
  for (const dryRun of [true, false]) {
    assert.equal((await actions(target, root, { dryRun }))['/large'], 'unchanged');
    assert.equal(existsSync(join(target, part)), dryRun);
  }
});

test('restore keeps parts of files that are not selected', async () => {
  const target = newTarget();
  const part = `.varve-part-${hash('large')}-${NOBODY}-0a`;
  writeFileSync(join(target, part), large.subarray(0, 8 * MIB), { mode: 0o600 });
  await actions(target, root, { excludes: [{ patterns: ['large'], insensitive: false }] });
  assert.deepEqual(readdirSync(target).sort(), [part, 'small']);
});

test('--delete keeps temporary files of a running restore', async () => {
  const target = newTarget();
  const other = `.varve-part-${hash('large')}-${process.ppid}-0a`;
  for (const name of [other, 'extra']) writeFileSync(join(target, name), 'x', { mode: 0o600 });
  await sandbox.restore(root, { target, delete: true });
  assert.deepEqual(readdirSync(target).sort(), [other, 'large', 'small']);
});

test('--delete removes a directory with the name of a temporary file', async () => {
  const target = newTarget();
  const alike = `.varve-part-${hash('large')}-${NOBODY}-0a`;
  mkdirSync(join(target, alike));
  writeFileSync(join(target, alike, 'file'), 'x');
  await sandbox.restore(root, { target });
  assert.deepEqual(readdirSync(target).sort(), [alike, 'large', 'small']);
  await sandbox.restore(root, { target, delete: true });
  assert.deepEqual(readdirSync(target).sort(), ['large', 'small']);
});

test('restore keeps a file whose name looks temporary', async () => {
  const name = `.varve-tmp-${NOBODY}-0a-1-0`;
  const own = new Forge(await sandbox.open());
  const alike = own.directory({ name: Buffer.from(name), content: own.content(Buffer.from('small')), ...OWNER });
  await own.finish();
  const target = newTarget();
  assert.deepEqual(await actions(target, alike), { [`/${name}`]: 'restored' });
  assert.deepEqual(await actions(target, alike), { [`/${name}`]: 'unchanged' });
  assert.equal(readFileSync(join(target, name), 'utf8'), 'small');
});

test('restore reuses only parts that it owns', async () => {
  const part = `.varve-part-${hash('large')}-${NOBODY}-0a`;
  const outside = join(scratch, 'secret');
  writeFileSync(outside, large.subarray(0, 8 * MIB), { mode: 0o600 });
  const plants: Record<string, (path: string) => void> = {
    link: (path) => symlinkSync(outside, path),
    'hard link': (path) => linkSync(outside, path),
    'of others': (path) => writeFileSync(path, large.subarray(0, 8 * MIB), { mode: 0o666 }),
    fifo: (path) => mknodat(AT_FDCWD, Buffer.from(path), 0o010600),
  };
  if (process.getuid?.() === 0) {
    plants['given away'] = (path) => {
      writeFileSync(path, large.subarray(0, 8 * MIB), { mode: 0o600 });
      chownSync(path, OWNER.uid + 1, OWNER.gid);
    };
  }
  for (const [name, plant] of Object.entries(plants)) {
    const target = newTarget();
    plant(join(target, part));
    const { progress } = await sandbox.restore(root, { target, verify: true });
    assert.deepEqual([progress.errors, progress.bytesSkipped], [0, 0], name);
    assert.deepEqual(readdirSync(target).sort(), ['large', 'small'], name);
    assert.ok(readFileSync(outside).equals(large.subarray(0, 8 * MIB)));
    assert.equal(lstatSync(outside).mode & 0o777, 0o600);
  }
  const target = newTarget();
  writeFileSync(join(target, part), large.subarray(0, 8 * MIB), { mode: 0o600 });
  const { progress } = await sandbox.restore(root, { target, verify: true });
  assert.ok(progress.bytesSkipped > 7 * MIB, 'one of its own is taken up');
});
