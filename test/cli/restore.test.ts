import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AT_FDCWD, mknodat } from '../../src/filesystem/posix.js';
import { assertSameTree } from '../backup/tree-image.js';
import { outcome, Playground } from './varve.js';

const place = new Playground();
const source = place.files('source', {
  'a.txt': 'aaa',
  'B.TXT': 'b',
  'sub/c.txt': 'c',
  'sub/d.bin': Buffer.alloc(100_000, 7),
});
/** Four files, and the directories that they are in. */
const ENTRIES = 4 + source.split('/').length;
let snapshot = '';

before(async () => {
  await place.ok(['init']);
  snapshot = await place.backup(source);
});

/** Restores below the source directory's path. @returns the names that are there then */
async function restored(name: string, ...args: string[]): Promise<string[]> {
  await place.ok(['restore', `${snapshot}:${source}`, '--target', place.path(name), ...args]);
  return (readdirSync(place.path(name), { recursive: true }) as string[]).sort();
}

test('a snapshot is restored with its paths, in text as restic', async () => {
  const { out } = await place.ok(['restore', snapshot, '--target', place.path('all'), '--verify']);
  assert.match(out, new RegExp(`^restoring snapshot ${snapshot.slice(0, 8)} of \\[${source}\\] at .* to `));
  assert.match(out, new RegExp(`^Summary: Restored ${ENTRIES} files/dirs \\(97\\.\\d+ KiB\\) in 0:\\d\\d$`, 'm'));
  assert.match(out, /^verified 4 files/m);
  execFileSync('diff', ['-r', source, place.path('all', source)]);
});

test('with --json: status, verbose_status and a summary with its keys in order', async () => {
  const { out } = await place.ok(['restore', snapshot, '-t', place.path('json'), '--json', '-v'], {
    env: { VARVE_PROGRESS_FPS: '60' },
  });
  const lines = out.trim().split('\n');
  assert.ok(lines.some((line) => line.startsWith('{"message_type":"verbose_status","action":"restored","item":"/')));
  const { seconds_elapsed: _, ...summary } = JSON.parse(lines.at(-1) ?? '');
  assert.deepEqual(Object.keys(summary), [
    'message_type',
    'total_files',
    'files_restored',
    'total_bytes',
    'bytes_restored',
  ]);
});

test('only what is included, or all but what is excluded', async () => {
  assert.deepEqual(await restored('include', '--include', '*.txt'), ['a.txt', 'sub', 'sub/c.txt']);
  assert.deepEqual(await restored('iinclude', '--iinclude', 'b.*'), ['B.TXT']);
  assert.deepEqual(await restored('exclude', '--exclude', 'sub'), ['B.TXT', 'a.txt']);
  writeFileSync(place.path('patterns'), '/sub/c.txt\n');
  assert.deepEqual(await restored('file', '--include-file', place.path('patterns')), ['sub', 'sub/c.txt']);
  assert.equal((await place.run(['restore', snapshot, '-t', 'x', '-i', 'a', '-e', 'b'])).code, 1);
});

test('what is there gives way, or stays', async () => {
  await restored('over');
  writeFileSync(place.path('over', 'a.txt'), 'changed');
  await restored('over', '--overwrite', 'never');
  assert.equal(readFileSync(place.path('over', 'a.txt'), 'utf8'), 'changed');
  writeFileSync(place.path('over', 'extra'), '');
  await restored('over', '--overwrite', 'if-changed');
  assert.equal(readFileSync(place.path('over', 'a.txt'), 'utf8'), 'aaa');
  assert.ok(!(await restored('over', '--delete')).includes('extra'));
  assert.match(
    (await place.run(['restore', snapshot, '-t', 'x', '--overwrite', 'maybe'])).err,
    /none of always, if-changed/,
  );
});

test('a dry run writes nothing', async () => {
  const { out } = await place.ok(['restore', snapshot, '--target', place.path('dry'), '--dry-run', '-v']);
  assert.match(out, /^restored +.*a\.txt with size 3 B$/m);
  assert.throws(() => readdirSync(place.path('dry')));
});

test('errors say what is missing', async () => {
  assert.match((await place.run(['restore', '--target', 'x'])).err, /snapshot is missing/);
  assert.match((await place.run(['restore', 'latest'])).err, /--target DIRECTORY/);
  assert.match((await place.run(['restore', 'latest:/nowhere', '-t', 'x'])).err, /\/nowhere: not in the snapshot/);
  assert.match(
    (await place.run(['restore', 'latest', '-t', place.path('key', 'x')])).err,
    /^Fatal: cannot create the target /m,
  );
  assert.match(
    (await place.run(['restore', 'latest', '-t', place.path('key')])).err,
    /^Fatal: .*\/key is not a directory: --target /m,
  );
  const none = ['restore', 'latest', '-t', place.path('none'), '--include'];
  assert.match((await place.ok([...none, '/nowhere'])).err, /^Warning: no file in the snapshot matches /m);
  assert.equal((await place.ok([...none, 'a.txt'])).err, '');
});

test('one file of a snapshot is restored without the folders above it, and nothing beside it is touched', async () => {
  mkdirSync(place.path('single'));
  writeFileSync(place.path('single', 'other'), '');
  const args = ['restore', `${snapshot}:${source}/sub/c.txt`, '--target', place.path('single'), '--delete'];
  const { out } = await place.ok(args);
  assert.match(out, /^Summary: Restored 1 files\/dirs \(1 B\)/m);
  assert.deepEqual(readdirSync(place.path('single')).sort(), ['c.txt', 'other']);
  assert.equal(statSync(place.path('single', 'c.txt')).mtimeMs, statSync(join(source, 'sub/c.txt')).mtimeMs);
});

test('folders on the way to what is included get their metadata only when the restore makes them', async () => {
  utimesSync(join(source, 'sub'), 1000, 1000);
  const again = await place.backup(source);
  for (const isThere of [true, false]) {
    const target = place.path(`way-${isThere}`);
    if (isThere) {
      mkdirSync(join(target, 'sub'), { recursive: true });
      chmodSync(join(target, 'sub'), 0o711);
    }
    await place.ok(['restore', `${again}:${source}`, '--target', target, '--include', 'c.txt']);
    const { mode, mtimeMs } = statSync(join(target, 'sub'));
    assert.equal(mode & 0o777, isThere ? 0o711 : statSync(join(source, 'sub')).mode & 0o777);
    assert.equal(mtimeMs === 1000_000, !isThere);
  }
});

test('names with control characters, or that are not UTF-8, are chosen and are printed so that they do no harm', async () => {
  const directory = place.path('odd names');
  mkdirSync(directory);
  const names = ['line\nbreak', 'es\x1bcape', 'not \xff utf-8'].map((name) => Buffer.from(name, 'latin1'));
  for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), name);
  const odd = await place.backup(directory);
  const { out } = await place.ok(['restore', `${odd}:${directory}`, '--target', place.path('odd'), '-v']);
  assert.match(out, /^restored +"\/line\\nbreak" with size/m);
  assert.match(out, /"\/es\\x1bcape"/);
  assert.match(out, /"\/not \\xff utf-8"/);
  for (const [number, name] of names.entries()) {
    const target = place.path(`odd-${number}`);
    writeFileSync(place.path('odd patterns'), name);
    // A file of patterns has a line for each.
    const choice = name.includes(10) ? ['--include', `${name}`] : ['--include-file', place.path('odd patterns')];
    await place.ok(['restore', `${odd}:${directory}`, '--target', target, ...choice]);
    assert.deepEqual(readdirSync(target, { encoding: 'buffer' }), [name]);
  }
});

test('--no-special leaves out FIFOs and setuid bits and says so; --sparse makes holes', async () => {
  const directory = place.files('special', { setuid: 'x', zeros: Buffer.alloc(2_000_000) });
  chmodSync(join(directory, 'setuid'), 0o4755);
  mknodat(AT_FDCWD, Buffer.from(join(directory, 'fifo')), 0o010644);
  const special = await place.backup(directory);
  const target = place.path('without special');
  const { out } = await place.ok([
    'restore',
    `${special}:${directory}`,
    '-t',
    target,
    '--no-special',
    '--sparse',
    '-v',
  ]);
  assert.match(out, /^left out because of --no-special \(devices, [^)]+\): 2$/m);
  assert.match(out, /^omitted +\/fifo$/m);
  assert.ok(!existsSync(join(target, 'fifo')));
  assert.equal(statSync(join(target, 'setuid')).mode & 0o7777, 0o755);
  assert.ok(lstatSync(join(target, 'zeros')).blocks <= 16);
  const all = place.path('with special');
  await place.ok(['restore', `${special}:${directory}`, '-t', all]);
  assert.ok(lstatSync(join(all, 'fifo')).isFIFO());
  assert.equal(statSync(join(all, 'setuid')).mode & 0o7777, 0o4755);
});

test('killed at any moment and run again, a restore comes to its end and leaves nothing behind', {
  timeout: 120_000,
}, async () => {
  const files = Object.fromEntries(
    Array.from({ length: 1500 }, (_, number) => [`d${number % 20}/f${number}`, `content ${number}`]),
  );
  const directory = place.files('killed', { ...files, large: randomBytes(60_000_000) });
  const backup = await place.backup(directory);
  const target = place.path('killed restored');
  const args = ['restore', `${backup}:${directory}`, '--target', target];
  for (let round = 0; round < 8; round++) {
    const child = place.start(args);
    const ended = outcome(child);
    await delay(250 + 60 * round);
    child.kill('SIGKILL');
    await ended;
  }
  const { files_restored, files_skipped } = await place.json<Record<string, number>>(args);
  assert.ok((files_restored ?? 0) + (files_skipped ?? 0) > 1501);
  assertSameTree(target, directory);
});

test('as a normal user nothing is told of directories above what was backed up, which are only made on the way', {
  skip: process.geteuid?.() === 0 && 'root sets the owner of /tmp, too',
}, async () => {
  const whole = await place.ok(['restore', snapshot, '--target', place.path('normal')]);
  assert.equal(whole.err, '');
  const above = await place.ok(['restore', `${snapshot}:${dirname(dirname(source))}`, '--target', place.path('above')]);
  assert.equal(above.err, '');
  const included = ['--include', `${source}/sub`];
  const directory = await place.ok(['restore', `${snapshot}:/`, '--target', place.path('normal folder'), ...included]);
  assert.equal(directory.err, '');
});

test('restore names a file once that is larger than the target takes, restores the rest and leaves no part', async () => {
  const play = new Playground();
  await play.ok(['init']);
  const directory = play.files('source', { large: randomBytes(12 * 2 ** 20), small: 'small' });
  await play.backup(directory);
  const target = play.path('target');
  const { code, err } = await play.shell(`restore 'latest:${directory}' --target '${target}'`, 'ulimit -f 8192');
  assert.equal(code, 1);
  assert.match(err, /^error: \/large: larger than the file system allows$/m);
  assert.equal(err.match(/\/large/g)?.length, 1);
  assert.deepEqual(readdirSync(target), ['small']);
});

test('restore --include-xattr and --exclude-xattr choose extended attributes by name and leave the others alone', async () => {
  const play = new Playground();
  await play.ok(['init']);
  const directory = play.files('source', { file: 'content' });
  const set = (path: string, name: string, value: string) =>
    execFileSync('setfattr', ['-n', name, '-v', value, join(path, 'file')]);
  set(directory, 'user.one', 'first');
  set(directory, 'user.two', 'second');
  await play.backup(directory);
  const restore = async (target: string, ...args: string[]) => {
    await play.ok(['restore', `latest:${directory}`, '--target', play.path(target), '--ownership-by-name', ...args]);
    const text = execFileSync('getfattr', ['--absolute-names', '-d', join(play.path(target), 'file')], {
      encoding: 'utf8',
    });
    return text.split('\n').filter((line) => line.startsWith('user.'));
  };
  assert.deepEqual(await restore('included', '--include-xattr', 'user.o*'), ['user.one="first"']);
  assert.deepEqual(await restore('excluded', '--exclude-xattr', 'user.o*'), ['user.two="second"']);
  set(play.path('excluded'), 'user.one', 'kept');
  set(play.path('excluded'), 'user.two', 'changed');
  const kept = ['user.one="kept"', 'user.two="second"'];
  assert.deepEqual(await restore('excluded', '--exclude-xattr', 'user.o*'), kept);
  const both = await play.run(['restore', 'latest', '-t', 'x', '--include-xattr', 'a', '--exclude-xattr', 'b']);
  assert.match(both.err, /exclude each other/);
});
