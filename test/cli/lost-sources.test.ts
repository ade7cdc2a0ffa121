import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { MAIN } from './main-program.js';
import { Playground } from './varve.js';

interface Listed {
  readonly id: string;
  readonly suspect?: readonly string[];
}

const place = new Playground();
const isOneOfRoot = process.getuid?.() === 0 && process.env.VARVE_TEST_STORE === undefined;

before(() => place.ok(['init']));

const eight = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`file ${at}`, `content ${at}`]));

function empty(path: string): void {
  rmSync(path, { recursive: true });
  mkdirSync(path);
}

const last = async (): Promise<Listed> => (await place.json<Listed[]>(['snapshots'])).at(-1) as Listed;

/** Runs a backup with standard input as the shell redirects it. */
const redirected = (redirection: string, args = '--stdin') => place.shell(`backup ${args} ${redirection}`);

test('backup marks the snapshot and ends with 3, again and again, when a path lost all that it held', async () => {
  const [kept, lost] = [place.files('kept', eight), place.files('lost', eight)];
  const good = await place.backup(kept, lost);
  empty(lost);
  for (let round = 0; round < 2; round++) {
    const { code, err, out } = await place.run(['backup', kept, lost]);
    assert.equal(code, 3, err);
    assert.match(
      err,
      /^error: \S+lost: it holds 0 files with 0 B where the last good snapshot has 8 files with 72 B: /m,
    );
    assert.match(out, /^snapshot [0-9a-f]{8} saved$/m);
    assert.deepEqual((await last()).suspect, [lost]);
  }
  assert.match((await place.ok(['snapshots'])).out, /^snapshot [0-9a-f]{8} is suspect: \S+lost should hold more$/m);
  const { out } = await place.ok(['forget', '--keep-last', '1', '--path', lost]);
  assert.match(out, new RegExp(`^${good.slice(0, 8)} `, 'm'));
  const left = (await place.json<Listed[]>(['snapshots', '--path', lost])).map(({ id }) => id);
  assert.equal(left.length, 2, 'a good one and a suspect one');
  assert.ok(left.includes(good));
  await place.ok(['backup', '--max-shrink', '100%', kept, lost]);
  assert.equal((await last()).suspect, undefined);
  await place.ok(['backup', kept, lost]);
});

test('backup tells files that became empty from files that went, and heeds --max-shrink', async () => {
  const directory = place.files('shrinking', eight);
  await place.ok(['backup', directory]);
  for (let at = 0; at < 6; at++) rmSync(`${directory}/file ${at}`);
  assert.equal((await place.run(['backup', '--max-shrink', '50%', directory])).code, 3);
  await place.ok(['backup', '--max-shrink', '75', directory]);
  for (const at of [6, 7]) writeFileSync(`${directory}/file ${at}`, '');
  const { code, err } = await place.run(['backup', directory]);
  assert.equal(code, 3);
  assert.match(err, /it holds 2 files with 0 B where/);
  assert.equal((await place.run(['backup', '--max-shrink', '101', directory])).code, 1);
});

test('backup ends with 0 when an empty directory is backed up for the first time', async () => {
  const directory = place.path('always-empty');
  mkdirSync(directory);
  await place.ok(['backup', directory]);
  await place.ok(['backup', directory]);
  assert.equal((await last()).suspect, undefined);
});

test('backup marks the snapshot when excludes leave nothing of what it held before', async () => {
  const directory = place.files('excluded', eight);
  await place.ok(['backup', directory]);
  assert.equal((await place.run(['backup', '--exclude', 'file*', directory])).code, 3);
  await place.ok(['backup', '--exclude', 'file*', '--max-shrink', '100%', directory]);
});

test('backup makes no snapshot and ends with 1 when none of the paths can be read', {
  skip: !isOneOfRoot && 'needs root and a repository in files',
}, async () => {
  const directory = place.files('unreadable', eight);
  const count = (await place.json<Listed[]>(['snapshots'])).length;
  spawnSync('chmod', ['755', place.directory]);
  spawnSync('chown', ['-R', 'nobody', place.path('cache'), place.path('repo'), place.path('key')]);
  spawnSync('chmod', ['700', directory]);
  const asNobody = (...args: string[]) =>
    spawnSync('setpriv', ['--reuid', 'nobody', '--clear-groups', process.execPath, MAIN, ...args], {
      env: place.env,
      encoding: 'utf8',
      cwd: '/',
    });
  const alone = asNobody('backup', directory);
  assert.equal(alone.status, 1, alone.stderr);
  assert.match(alone.stderr, /^Fatal: no snapshot was made: no source could be read$/m);
  assert.equal((await place.json<Listed[]>(['snapshots'])).length, count);
  const readable = place.files('readable', eight);
  spawnSync('chmod', ['-R', 'a+rX', readable]);
  const beside = asNobody('backup', readable, directory);
  assert.equal(beside.status, 3, beside.stderr);
  assert.deepEqual((await last()).suspect, [directory]);
});

test('backup --stdin ends with 1 and makes no snapshot when standard input cannot be read', async () => {
  const count = (await place.json<Listed[]>(['snapshots'])).length;
  for (const [redirection, reason] of [
    ['< /etc', /standard input is a directory/],
    ['<&-', /standard input is closed/],
    [`0> '${place.path('written')}'`, /standard input/],
  ] as const) {
    const { code, err } = await redirected(redirection);
    assert.equal(code, 1, `${redirection}: ${err}`);
    assert.match(err, reason);
  }
  assert.equal((await place.json<Listed[]>(['snapshots'])).length, count);
  const list = await redirected('<&-', `--files-from - '${place.path('always-empty')}'`);
  assert.equal(list.code, 1);
  assert.match(list.err, /^Fatal: --files-from: standard input is closed/m);
});

test('backup --stdin reads a file and a pipe, and takes an empty input for what it is at first', async () => {
  writeFileSync(place.path('dump'), 'a dump');
  assert.equal((await redirected(`< '${place.path('dump')}'`, '--stdin --stdin-filename by-file')).code, 0);
  assert.equal((await place.ok(['dump', 'latest', '/by-file'])).out, 'a dump');
  assert.equal((await redirected('< /dev/null', '--stdin --stdin-filename empty')).code, 0);
  const piped = await place.run(['backup', '--stdin', '--stdin-filename', 'by-file'], { input: '' });
  assert.equal(piped.code, 3);
  assert.match(piped.err, /it holds 1 file with 0 B where the last good snapshot has 1 file with 6 B/);
});

test('backup --stdin-from-command marks the snapshot when the command prints nothing where it printed something', async () => {
  const command = ['--stdin-filename', 'printed', '--stdin-from-command', '--'];
  await place.ok(['backup', ...command, 'echo', 'something']);
  assert.equal((await place.run(['backup', ...command, 'true'])).code, 3);
  assert.deepEqual((await last()).suspect, ['/printed']);
});
