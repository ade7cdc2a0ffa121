import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BackupEvent } from '../../src/backup/options.js';
import { Directory } from '../../src/filesystem/directory.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { cachedPages, dropFromPageCache } from '../../src/filesystem/posix.js';
import { lstat } from '../../src/filesystem/stat.js';
import type { Entry } from '../../src/format/entry.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { components, Sandbox, scratchDirectory } from './sandbox.js';

const scratch = scratchDirectory();
const isRoot = process.getuid?.() === 0;

/** An entry of the newest snapshot. */
async function entryOf(sandbox: Sandbox, path: string): Promise<Entry> {
  const root = (await sandbox.snapshots()).at(-1)?.snapshot.root;
  assert.ok(root);
  return new TreeReader(await sandbox.indexed()).find(root, components(path));
}

const excluded = (events: readonly BackupEvent[]): string[] =>
  events.flatMap((event) =>
    event.kind === 'item' && event.action === 'excluded' ? [`${event.path} ${event.rule}`] : [],
  );

test('backup opens a directory only if it is the one that was listed', () => {
  const base = join(scratch, 'places');
  const place = (path: string, above: string) => {
    const { device, inode } = lstat(Buffer.from(path));
    return { path: Buffer.from(path), above: above.length, device, inode };
  };
  mkdirSync(join(base, 'source/a/b'), { recursive: true });
  mkdirSync(join(base, 'secret/b'), { recursive: true });
  writeFileSync(join(base, 'source/a/b/right'), '');
  writeFileSync(join(base, 'secret/b/wrong'), '');
  symlinkSync('source', join(base, 'to-source'));
  const found = place(join(base, 'to-source/a/b'), join(base, 'to-source'));
  const names = () => {
    const directory = Directory.openPlace(found);
    try {
      return [...directory.names()].map(String);
    } finally {
      directory.close();
    }
  };
  assert.deepEqual(names(), ['right'], 'links above a source are followed');
  renameSync(join(base, 'source/a'), join(base, 'source/moved'));
  symlinkSync(join(base, 'secret'), join(base, 'source/a'));
  assert.throws(names, { code: 'ENOTDIR' });
  rmSync(join(base, 'source/a'));
  mkdirSync(join(base, 'source/a/b'), { recursive: true });
  assert.throws(names, /was replaced by another directory/);
  rmSync(join(base, 'source/a'), { recursive: true });
  assert.throws(names, { code: 'ENOENT' });
});

test('backup warns of a file that is written to while it is read, and reads it again the next time', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'torn'));
  for (const [name, megabytes] of [
    ['small', 24],
    ['large', 160],
  ] as const) {
    const path = join(sandbox.source, name);
    writeFileSync(path, randomBytes(megabytes << 20));
    const told: string[] = [];
    // On a busy machine a whole file may be read before the first write.
    for (let tries = 0; told.length === 0 && tries < 10; tries++) {
      const growing = setInterval(() => appendFileSync(path, 'more'), 0);
      const { events, errors } = await sandbox.backup({ parent: 'latest' }).finally(() => clearInterval(growing));
      assert.equal(errors, 0);
      for (const event of events) if (event.kind === 'changed') told.push(`${event.path}: ${event.message}`);
    }
    assert.equal(told.length, 1, told.join());
    assert.match(told[0] as string, new RegExp(`${name}: changed while it was read`));
    const { summary, snapshot } = await sandbox.backup({ parent: 'latest' });
    assert.equal(summary.files_changed, 1);
    const { target } = await sandbox.restoreSource(snapshot.root);
    assert.ok(readFileSync(join(target, name)).equals(readFileSync(path)));
  }
});

test('backup stores a sparse file that shrinks as far as it can be read', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'shrinking'));
  const path = join(sandbox.source, 'sparse');
  writeFileSync(path, randomBytes(100_000));
  truncateSync(path, 300 << 20);
  appendFileSync(path, randomBytes(80 << 20));
  let size = 380 << 20;
  const shrinking = setInterval(() => {
    if (size <= 310 << 20) return;
    size -= 1 << 20;
    truncateSync(path, size);
  }, 0);
  const { errors, snapshot } = await sandbox.backup().finally(() => clearInterval(shrinking));
  assert.equal(errors, 0);
  const { target } = await sandbox.restoreSource(snapshot.root, { verify: true });
  const restored = lstatSync(join(target, 'sparse'));
  assert.ok(restored.size > 300 << 20 && restored.size <= 380 << 20, String(restored.size));
  assert.equal((await entryOf(sandbox, path)).size, restored.size);
});

test('backup leaves the page cache as it was', async (t) => {
  const sandbox = await Sandbox.create(join(scratch, 'cache'));
  const files = ['away', 'there'].map((name) => {
    const path = join(sandbox.source, name);
    writeFileSync(path, randomBytes(3 << 20));
    const file = openSync(path, 'r');
    fsyncSync(file);
    dropFromPageCache(file);
    return file;
  }) as [number, number];
  t.after(() => files.forEach(closeSync));
  if (cachedPages(files[0]) !== 0) return t.skip('this file system, or this kernel, does not tell what is in memory');
  const whole = Buffer.alloc(3 << 20);
  readSync(files[1], whole, 0, whole.length, 0);
  const before = cachedPages(files[1]) as number;
  await sandbox.backup();
  assert.equal(cachedPages(files[0]), 0);
  // A kernel that is short of memory, or expects to be, takes a page now and then.
  const after = cachedPages(files[1]) as number;
  assert.ok(after > 0.9 * before, `${after} of ${before} pages`);
});

test('backup changes no access times, and stores them with --with-atime', { skip: !isRoot && 'not root' }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'atime'));
  const path = join(sandbox.source, 'file');
  mkdirSync(join(sandbox.source, 'folder'));
  writeFileSync(path, 'read me');
  for (const each of [path, join(sandbox.source, 'folder')]) utimesSync(each, 1_000_000_000, 1_600_000_000);
  await sandbox.backup();
  for (const each of [path, join(sandbox.source, 'folder')]) assert.equal(lstatSync(each).atimeMs, 1_000_000_000_000);
  assert.equal((await entryOf(sandbox, path)).atime, undefined);
  const with_ = await sandbox.backup({ parent: 'latest', withAtime: true });
  assert.deepEqual((await entryOf(sandbox, path)).atime, [1_000_000_000, 0]);
  utimesSync(path, 1_100_000_000, 1_600_000_000);
  await sandbox.backup({ parent: 'latest', withAtime: true });
  assert.deepEqual((await entryOf(sandbox, path)).atime, [1_100_000_000, 0]);
  await sandbox.backup({ parent: 'latest' });
  assert.equal((await entryOf(sandbox, path)).atime, undefined);
  const { target } = await sandbox.restoreSource(with_.snapshot.root);
  assert.equal(lstatSync(join(target, 'file')).atimeMs, 1_000_000_000_000);
});

test('backup stores birth times where the file system keeps them', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'birth'));
  const path = join(sandbox.source, 'file');
  writeFileSync(path, '');
  await sandbox.backup();
  const told = execFileSync('stat', ['--format=%W', path], { encoding: 'utf8' }).trim();
  assert.equal((await entryOf(sandbox, path)).btime?.[0], told === '0' ? undefined : Number(told));
});

test('--exclude-regex excludes paths that match, also with bytes that are not UTF-8', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'regex'));
  for (const name of ['a1.log', 'a12.log', 'keep', 'build-7']) writeFileSync(join(sandbox.source, name), name);
  mkdirSync(join(sandbox.source, 'deep'));
  writeFileSync(Buffer.concat([Buffer.from(`${sandbox.source}/deep/caf`), Buffer.from([0xe9])]), '');
  const filter = { ...NO_FILTER, excludeRegexes: ['/a\\d\\.log$', 'build-[0-9]+', 'caf'] };
  const { events } = await sandbox.backup({ filter, verbose: true });
  assert.deepEqual(
    excluded(events)
      .map((line) => line.slice(sandbox.source.length))
      .sort(),
    [
      '/a1.log --exclude-regex=/a\\d\\.log$',
      '/build-7 --exclude-regex=build-[0-9]+',
      '/deep/caf\ufffd --exclude-regex=caf',
    ].map((line) => line.replace('=/a', '=\\/a')),
  );
});

test('backup of / excludes pseudo file systems', { skip: !isRoot && 'not root' }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'whole'));
  const filter = { ...NO_FILTER, excludes: ['/*', '!/proc', '!/sys', '!/dev', '!/run', '!/srv'] };
  const run = (oneFileSystem: boolean) =>
    sandbox.backup({ sources: [Buffer.from('/')], filter: { ...filter, oneFileSystem }, verbose: true, dryRun: true });
  const { events, errors } = await run(false);
  assert.equal(errors, 0);
  const told = excluded(events);
  const mounted = (name: string) => spawnSync('mountpoint', ['-q', name]).status === 0;
  for (const [name, why] of [
    ['/proc', 'proc file system'],
    ['/sys', 'sysfs file system'],
    ['/dev', 'running system'],
    ['/run', 'running system'],
  ] as const)
    if (mounted(name))
      assert.ok(
        told.some((line) => line.startsWith(`${name}/* `) && line.includes(why)),
        `${name}: ${told.join('\n')}`,
      );
  const alone = await run(true);
  assert.ok(
    alone.events.some((event) => event.kind === 'item' && String(event.path) === '/srv' && event.action === 'new'),
  );
  if (mounted('/proc')) assert.ok(excluded(alone.events).includes('/proc/* --one-file-system'));
});

test('backup excludes a pseudo file system anywhere unless it is a source', async (t) => {
  const sandbox = await Sandbox.create(join(scratch, 'mounted'));
  const place = join(sandbox.source, 'chroot/proc');
  mkdirSync(place, { recursive: true });
  if (spawnSync('mount', ['-t', 'proc', 'proc', place]).status !== 0) return t.skip('mounting is not allowed here');
  try {
    const { events, snapshot } = await sandbox.backup({ verbose: true });
    assert.deepEqual(excluded(events), [`${place}/* its kind: a proc file system`]);
    const { target } = await sandbox.restoreSource(snapshot.root);
    assert.deepEqual(
      execFileSync('find', [target, '-printf', '%P\n'], { encoding: 'utf8' }).split('\n').filter(Boolean).sort(),
      ['chroot', 'chroot/proc'],
    );
    const asked = await sandbox.backup({ sources: [Buffer.from(`${place}/sys/kernel/ostype`)] });
    assert.equal(asked.errors, 0);
    assert.equal(asked.summary.files_new, 1);
  } finally {
    execFileSync('umount', [place]);
  }
});

test('backup stores a source on another or a pseudo file system below another source', async (t) => {
  const sandbox = await Sandbox.create(join(scratch, 'nested'));
  const disk = join(sandbox.source, 'disk');
  const proc = join(sandbox.source, 'proc');
  mkdirSync(disk);
  mkdirSync(proc);
  const mounts = [
    ['tmpfs', disk],
    ['proc', proc],
  ] as const;
  const mounted = mounts.filter(([kind, place]) => spawnSync('mount', ['-t', kind, kind, place]).status === 0);
  try {
    if (mounted.length < mounts.length) return t.skip('mounting is not allowed here');
    for (const name of ['home/anna', 'home/bert', 'var']) mkdirSync(join(disk, name), { recursive: true });
    for (const name of ['home/anna/letter', 'home/bert/letter', 'var/log']) writeFileSync(join(disk, name), name);
    const stored = async (oneFileSystem: boolean, ...inner: readonly string[]) => {
      const sources = [sandbox.source, ...inner].map((path) => Buffer.from(path));
      for (const order of [sources, [...sources].reverse()]) {
        const { errors, snapshot } = await sandbox.backup({ sources: order, filter: { ...NO_FILTER, oneFileSystem } });
        assert.equal(errors, 0);
        assert.equal(snapshot.paths.length, sources.length);
      }
      const root = (await sandbox.snapshots()).at(-1)?.snapshot.root;
      const { target } = await sandbox.restoreSource(root as NonNullable<typeof root>);
      return execFileSync('find', [target, '-type', 'f', '-printf', '%P\n'], { encoding: 'utf8' })
        .split('\n')
        .filter(Boolean)
        .sort();
    };
    const letter = ['disk/home/anna/letter'];
    const all = [...letter, 'disk/home/bert/letter', 'disk/var/log'];
    assert.deepEqual(await stored(true), []);
    assert.deepEqual(await stored(true, disk), all);
    assert.deepEqual(await stored(true, join(disk, 'home/anna')), letter);
    assert.deepEqual(await stored(true, join(disk, 'home/anna'), disk), all);
    assert.deepEqual(await stored(false, join(proc, 'sys/kernel/ostype')), [...all, 'proc/sys/kernel/ostype']);
  } finally {
    for (const [, place] of mounted) execFileSync('umount', [place]);
  }
});

test('backup reports a source behind a stored link as missing', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'behind'));
  const elsewhere = join(sandbox.directory, 'elsewhere');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, 'file'), 'behind a link');
  symlinkSync('../elsewhere', join(sandbox.source, 'link'));
  const behind = join(sandbox.source, 'link/file');
  const both = [behind, sandbox.source].map((path) => Buffer.from(path));
  const { errors, events, snapshot } = await sandbox.backup({ sources: both });
  assert.equal(errors, 1);
  assert.deepEqual(snapshot.paths, [Buffer.from(sandbox.source)]);
  const [told] = events.flatMap((event) => (event.kind === 'error' ? [`${event.path} ${event.message}`] : []));
  assert.match(
    String(told),
    /source\/link\/file leads through the symbolic link .*source\/link, which is stored as a link/,
  );
  const alone = await sandbox.backup({ sources: both.slice(0, 1) });
  assert.equal(alone.errors, 0);
  assert.equal((await entryOf(sandbox, behind)).size, 13);
});

test('backup notices a file system that is mounted during the walk', async (t) => {
  const path = join(scratch, 'automount');
  mkdirSync(path);
  const { device, inode } = lstat(Buffer.from(path));
  if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', path]).status !== 0) return t.skip('mounting is not allowed here');
  try {
    writeFileSync(join(path, 'file'), '');
    const directory = Directory.openPlace({ path: Buffer.from(path), above: scratch.length, device, inode });
    assert.deepEqual([...directory.names()].map(String), ['file']);
    assert.equal(directory.mounted, lstat(Buffer.from(path)).device);
    directory.close();
  } finally {
    execFileSync('umount', [path]);
  }
});

test('Directory opens names without following links', () => {
  const base = join(scratch, 'links');
  mkdirSync(base);
  symlinkSync('/etc/passwd', join(base, 'link'));
  const directory = Directory.open(Buffer.from(base));
  assert.throws(() => directory.openFile(Buffer.from('link')), { code: 'ELOOP' });
  directory.close();
  assert.ok(constants.O_NOFOLLOW > 0);
});
