import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
const source = place.files('source', {
  'a.txt': 'aaa',
  'B.TXT': 'b',
  'sub/c.txt': 'c',
  'sub/d.bin': Buffer.alloc(100_000, 7),
});
let snapshot = '';

before(async () => {
  await place.ok(['init']);
  snapshot = await place.backup(source);
});

/** Restores below the source folder's path. @returns the names that are there then */
async function restored(name: string, ...args: string[]): Promise<string[]> {
  await place.ok(['restore', `${snapshot}:${source}`, '--target', place.path(name), ...args]);
  return (readdirSync(place.path(name), { recursive: true }) as string[]).sort();
}

test('a snapshot is restored with its paths, in text as restic', async () => {
  const { out } = await place.ok(['restore', snapshot, '--target', place.path('all'), '--verify']);
  assert.match(out, new RegExp(`^restoring snapshot ${snapshot.slice(0, 8)} of \\[${source}\\] at .* to `));
  assert.match(out, /^Summary: Restored 4 files \(97\.\d+ KiB\) in 0:\d\d$/m);
  assert.match(out, /^verified 4 files/m);
  execFileSync('diff', ['-r', source, place.path('all', source)]);
});

test('with --json: status, verbose_status and a summary with its keys in order', async () => {
  const { out } = await place.ok(['restore', snapshot, '-t', place.path('json'), '--json', '-v'], {
    env: { VARVE_PROGRESS_FPS: '60' },
  });
  const lines = out.trim().split('\n');
  assert.ok(lines.some((line) => line.startsWith('{"message_type":"verbose_status","action":"restored","item":"/')));
  assert.deepEqual(Object.keys(JSON.parse(lines.at(-1) ?? '')), [
    'message_type',
    'seconds_elapsed',
    'total_files',
    'files_restored',
    'files_skipped',
    'files_deleted',
    'total_bytes',
    'bytes_restored',
    'bytes_skipped',
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
  assert.match((await place.run(['restore', 'latest'])).err, /--target FOLDER/);
  assert.match((await place.run(['restore', 'latest:/nowhere', '-t', 'x'])).err, /\/nowhere: not in the snapshot/);
  assert.match(
    (await place.run(['restore', 'latest', '-t', place.path('key', 'x')])).err,
    /^Fatal: cannot create the target /m,
  );
});
