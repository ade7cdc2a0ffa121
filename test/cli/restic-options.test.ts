import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { Command } from 'commander';
import { spellOut, wantsJson } from '../../src/cli/program/boolean-options.js';
import { addGlobalOptions } from '../../src/cli/program/global-options.js';
import { missingPrograms } from '../servers/programs.js';
import { Playground } from './varve.js';

const place = new Playground();
const FILES = ['docs/letter.txt', 'docs/draft.tmp', 'docs/sub/note.md', 'music/song.mp3', 'music/empty'];
const home = place.files('home', {
  'docs/letter.txt': 'a letter',
  'docs/draft.tmp': 'draft',
  'docs/sub/note.md': 'a longer note',
  'music/song.mp3': 'x'.repeat(3000),
  'music/empty': '',
});
let snapshot = '';
const lines = (text: string): string[] => text.trimEnd().split('\n');

before(async () => {
  // Old enough that the times of modification prove that a file is unchanged.
  for (const name of FILES) utimesSync(join(home, name), 1_000_000_000, 1_000_000_000);
  await place.ok(['init']);
  snapshot = (await place.json<{ snapshot_id: string }>(['backup', '.', '--tag', 'all'], { cwd: home })).snapshot_id;
});

describe('boolean options take a value', () => {
  const program = addGlobalOptions(new Command());
  const spelled = (...args: string[]): string => spellOut(args, [program]).join(' ');

  test('spellOut leaves out what is false, and what it takes back', () => {
    assert.equal(spelled('--json=true', 'ls', '-q=1', '--no-cache=T'), '--json ls -q --no-cache');
    assert.equal(spelled('--json', 'ls', '--json=false', '--quiet=0', '-q=F'), 'ls');
    assert.equal(spelled('-v=2'), '-v -v');
    assert.equal(spelled('--verbose=9'), '-v -v');
    assert.equal(spelled('-v', '--verbose=0'), '');
  });

  test('spellOut leaves alone values, other options and what is after --', () => {
    assert.equal(spelled('--key-hint', '--json=false', '--tag=true'), '--key-hint --json=false --tag=true');
    assert.equal(spelled('--json=true', '--', '--json=false'), '--json -- --json=false');
  });

  test('spellOut refuses a value that is neither true nor false', () => {
    assert.throws(() => spelled('--json=maybe'), { code: 'usage', message: /--json: "maybe" is not true or false/ });
    assert.throws(() => spelled('-v=much'), { code: 'usage', message: /is not a number/ });
  });

  test('wantsJson heeds the last one', () => {
    assert.equal(wantsJson(['--json=false', '--json']), true);
    assert.equal(wantsJson(['--json', '--json=false']), false);
    assert.equal(wantsJson(['--', '--json']), false);
  });
});

test('a backup ignores the ctime when the environment says so', async () => {
  chmodSync(join(home, 'docs/letter.txt'), 0o600);
  const backup = async (VARVE_IGNORE_CTIME: string): Promise<number> => {
    const { out } = await place.ok(['backup', '.', '--json', '--dry-run'], { cwd: home, env: { VARVE_IGNORE_CTIME } });
    return (JSON.parse(lines(out).at(-1) as string) as { files_changed: number }).files_changed;
  };
  assert.equal(await backup('true'), 0);
  assert.ok((await backup('perhaps')) >= 1);
});

test('a relative source is below $PWD when that leads to the working directory, as in restic', async () => {
  const link = place.path('link');
  symlinkSync(home, link);
  for (const [PWD, path] of [
    [link, join(link, 'docs')],
    [place.path(), join(home, 'docs')],
    ['link', join(home, 'docs')],
  ] as const) {
    const { snapshot_id: id } = await place.json<{ snapshot_id: string }>(['backup', 'docs'], {
      cwd: home,
      env: { PWD },
    });
    const [taken] = await place.json<{ paths: string[] }[]>(['snapshots', id]);
    assert.deepEqual(taken?.paths, [path]);
    await place.ok(['forget', id]);
  }
});

test('--help fails when there is no such command', async () => {
  for (const args of [
    ['nosuch', '--help'],
    ['key', 'nosuch', '-h'],
    ['help', 'toString'],
  ]) {
    const { code, err } = await place.run(args);
    assert.equal(code, 1, args.join(' '));
    assert.match(err, /unknown command '(nosuch|toString)'/);
  }
});

describe('a repository without a password', () => {
  const env = { VARVE_KEY_FILE: undefined, VARVE_REPOSITORY: place.repository('open') };

  test('is made and opened only with --insecure-no-password', async () => {
    const refused = await place.run(['init'], { env: { ...env, VARVE_PASSWORD: '' } });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /VARVE_PASSWORD is empty.*--insecure-no-password/);
    await place.ok(['init', '--insecure-no-password'], { env });
    assert.equal((await place.run(['snapshots'], { env: { ...env, VARVE_PASSWORD: '' } })).code, 1);
    await place.ok(['snapshots', '--insecure-no-password'], { env });
    const both = await place.run(['snapshots', '--insecure-no-password'], { env: { ...env, VARVE_PASSWORD: 'x' } });
    assert.equal(both.code, 1);
    assert.match(both.err, /--insecure-no-password means an empty password/);
  });

  test('is a source with --from-insecure-no-password, and gets one by key passwd', async () => {
    const copy = ['copy', '--from-repo', env.VARVE_REPOSITORY];
    await place.ok([...copy, '--from-insecure-no-password']);
    assert.equal((await place.run(copy)).code, 1);
    const { out } = await place.ok(
      ['key', 'passwd', '--insecure-no-password', '--new-insecure-no-password', '--user', 'eve', '--host', 'kiosk'],
      { env },
    );
    assert.match(out, /has a new password/);
    const keys = await place.ok(['key', 'list', '--json', '--insecure-no-password'], { env });
    const [key] = JSON.parse(keys.out) as { userName: string; hostName: string; id: string; slot: string }[];
    assert.deepEqual([key?.userName, key?.hostName], ['eve', 'kiosk']);
    assert.match(key?.id ?? '', /^[0-9a-f]{64}$/);
    assert.match(key?.slot ?? '', /^[0-9a-f]{32}$/);
  });
});

describe('ls', () => {
  const ls = async (...args: string[]): Promise<string[]> =>
    lines((await place.ok(['ls', '-q', snapshot, ...args])).out);

  test('lists each entry once, in the order of the tree', async () => {
    assert.deepEqual(await ls('/music', '/docs/sub', '/docs'), [
      '/docs',
      '/docs/draft.tmp',
      '/docs/letter.txt',
      '/docs/sub',
      '/docs/sub/note.md',
      '/music',
      '/music/empty',
      '/music/song.mp3',
    ]);
  });

  test('sorts by size, extension and time, also in reverse', async () => {
    assert.deepEqual((await ls('--sort', 'size')).slice(-2), ['/docs/sub/note.md', '/music/song.mp3']);
    assert.deepEqual((await ls('--sort', 'size', '--reverse')).slice(0, 1), ['/music/song.mp3']);
    assert.deepEqual((await ls('--sort', 'extension')).slice(-4), [
      '/docs/sub/note.md',
      '/music/song.mp3',
      '/docs/draft.tmp',
      '/docs/letter.txt',
    ]);
    assert.match((await place.run(['ls', snapshot, '--sort', 'colour'])).err, /--sort: "colour" is none of name, size/);
  });

  test('--ncdu is nested as ncdu wants it, with the folders on the way', async () => {
    const [major, minor, , root] = JSON.parse((await ls('--ncdu', '/docs/sub', '/music')).join('\n')) as unknown[];
    assert.deepEqual([major, minor], [1, 2]);
    const [top, docs, music] = root as [
      { name: string },
      { name: string }[],
      { name: string; asize: number; dsize: number }[],
    ];
    assert.equal(top.name, '/');
    assert.deepEqual(JSON.stringify(docs).match(/"name":"[^"]+"/g), [
      '"name":"docs"',
      '"name":"sub"',
      '"name":"note.md"',
    ]);
    assert.deepEqual(
      music.map(({ name }) => name),
      ['music', 'empty', 'song.mp3'],
    );
    assert.deepEqual([music[2]?.asize, music[2]?.dsize], [3000, 3072]);
    assert.equal((await place.run(['ls', snapshot, '--ncdu', '--reverse'])).code, 1);
  });

  test('ncdu reads it', { skip: missingPrograms(['ncdu'], 'ncdu') }, async () => {
    const { bytes } = await place.ok(['ls', '--ncdu', snapshot]);
    const { status, stdout, stderr } = spawnSync('ncdu', ['-0', '-f', '-', '-o', '-'], {
      input: bytes,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.equal((JSON.parse(stdout)[3] as unknown[]).length, 3);
  });
});

test('rewrite --include keeps what matches with the folders on the way, and leaves a snapshot alone in which nothing does', async () => {
  const none = await place.ok(['rewrite', '--include', '*.iso', snapshot]);
  assert.match(none.out, /nothing to change/);
  const both = await place.run(['rewrite', '--include', 'a', '--exclude', 'b', snapshot]);
  assert.match(both.err, /--include and --exclude exclude each other/);
  const { out } = await place.ok(['rewrite', '--iinclude', '*.MD', '--include', '/music/song*', '--json', snapshot]);
  const { new_snapshot_id: id } = JSON.parse(lines(out)[0] as string) as { new_snapshot_id: string };
  const listed = lines((await place.ok(['ls', '-q', id])).out);
  assert.deepEqual(listed, ['/docs', '/docs/sub', '/docs/sub/note.md', '/music', '/music/song.mp3']);
  await place.ok(['forget', id]);
});

test('list packs SNAPSHOT lists what the snapshot needs, and check reads no other packs of selected snapshots', async () => {
  const other = place.files('other', { file: 'of the other snapshot' });
  const id = await place.backup(other, '--tag', 'other');
  const [all, first, second] = await Promise.all(
    [[], [snapshot], [id]].map(async (args) => lines((await place.ok(['list', 'packs', ...args])).out).sort()),
  );
  assert.ok(first !== undefined && second !== undefined && all !== undefined);
  assert.ok(first.length > 0 && second.length > 0 && first.every((name) => all.includes(name)));
  assert.ok(first.every((name) => !second.includes(name)));
  const beneath = await place.beneath();
  const [damaged] = second as [string];
  await beneath.change('data', damaged, (bytes) => {
    bytes[10] = (bytes[10] as number) ^ 1;
    return bytes;
  });
  const sound = await place.ok(['check', '--read-data', '--tag', 'all']);
  assert.match(sound.out, /1 snapshot, .*only the selected snapshots were checked/s);
  assert.equal((await place.run(['check', '--read-data', '--tag', 'other'])).code, 1);
  assert.equal((await place.run(['check', '--scrub', '--host', 'x'])).code, 1);
});
