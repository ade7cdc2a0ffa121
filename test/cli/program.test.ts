import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { NEEDS_LOCAL } from '../servers/test-place.js';
import { outcome, Playground } from './varve.js';

const place = new Playground();
/** Opens with a password, which costs a third of a second each time. */
const password: Record<string, string | undefined> = {
  VARVE_KEY_FILE: undefined,
  VARVE_REPOSITORY: place.repository('with-password'),
};

before(async () => {
  await place.ok(['init']);
  await place.ok(['init'], { env: { ...password, VARVE_PASSWORD: 'right' } });
});

test('varve alone prints its help', async () => {
  const { out, err } = await place.ok([]);
  assert.match(out, /^Usage: varve /);
  for (const command of ['init', 'backup', 'restore', 'key', 'unlock'])
    assert.match(out, new RegExp(`^  ${command} `, 'm'));
  assert.ok(out.indexOf('Every day:') < out.indexOf('Get files back:'));
  assert.ok(out.indexOf('Other:') < out.indexOf('Global options:'));
  assert.match(out, /Exit codes: .*; 11 /s);
  assert.equal(err, '');
});

test('every command says what it does, what it takes and how it exits', async () => {
  for (const command of [
    'init',
    'backup',
    'snapshots',
    'ls',
    'restore',
    'dump',
    'stats',
    'list',
    'cat',
    'unlock',
    'key list',
  ]) {
    const { out } = await place.ok([...command.split(' '), '--help']);
    assert.match(out, new RegExp(`^Usage: varve ${command} `), command);
    assert.match(out, /Exit codes:/, command);
    assert.doesNotMatch(out, /--repo <place>/, command);
    assert.match(out, /^Global options, .*`varve --help`/m, command);
  }
  assert.match((await place.ok(['help', 'backup'])).out, /--exclude-caches/);
});

test('a mistyped command or option gets a suggestion', async () => {
  const command = await place.run(['snapshot']);
  assert.equal(command.code, 1);
  assert.match(command.err, /unknown command 'snapshot'\n\(Did you mean snapshots\?\)/);
  assert.match((await place.run(['backup', '--exclud', 'x'])).err, /Did you mean --exclude\?/);
});

test('version, in text and in JSON', async () => {
  assert.match((await place.ok(['version'])).out, /^varve \d+\.\d+\.\d+ with Node \d/);
  const json = await place.json<Record<string, unknown>>(['version']);
  assert.deepEqual(Object.keys(json).slice(0, 5), ['message_type', 'version', 'go_version', 'go_os', 'go_arch']);
});

test('init tells the id, and refuses a place that has a repository', async () => {
  const env = { VARVE_REPOSITORY: place.repository('another') };
  const { out } = await place.ok(['init', '--json'], { env });
  assert.match(out, /^\{"message_type":"initialized","id":"[0-9a-f]{64}","repository":"[^"]+another\/?"\}\n$/);
  const again = await place.run(['repo', 'init'], { env });
  assert.equal(again.code, 1);
  assert.match(again.err, /^Fatal: .*config file already exists/);
});

test('exit code 10 without a repository, 12 with a wrong password', async () => {
  const missing = await place.run(['-r', place.repository('nowhere'), 'snapshots']);
  assert.equal(missing.code, 10);
  assert.match(missing.err, /nowhere\/?: there is no repository here/);
  assert.equal((await place.run(['cat', 'config', '-r', place.repository('nowhere'), '--json'])).code, 10);
  const wrong = await place.run(['snapshots'], { env: { ...password, VARVE_PASSWORD: 'wrong' } });
  assert.equal(wrong.code, 12);
  assert.match(wrong.err, /wrong password/);
});

test('an error with --json is an exit_error on standard error', async () => {
  const { out, err, code } = await place.run(['--json', '-r', place.repository('nowhere'), 'ls', 'latest']);
  assert.equal(code, 10);
  assert.equal(out, '');
  assert.match(err, /^\{"message_type":"exit_error","code":10,"message":"/);
  const usage = await place.run(['snapshots', '--json', '--nonsense']);
  assert.equal(usage.code, 1);
  assert.match(usage.err, /^\{"message_type":"exit_error","code":1,"message":"unknown option '--nonsense'/);
});

test('no error shows a stack, unless it is asked for', async () => {
  await (await place.beneath('broken')).plant('config', 'config', Buffer.from('nonsense'));
  for (const args of [
    ['-r', place.repository('broken'), 'snapshots'],
    ['-r', place.path('key'), 'snapshots'],
    ['-r', '/dev/null/y', 'init'],
  ]) {
    const { err, code } = await place.run(args);
    assert.notEqual(code, 0);
    assert.match(err, /^Fatal: /);
    assert.doesNotMatch(err, /\n\s+at /);
  }
  assert.match((await place.run(['ls', 'nix'], { env: { VARVE_DEBUG: '1' } })).err, /\n\s+at /);
});

test('global options work before and after the command', async () => {
  const { VARVE_REPOSITORY, VARVE_KEY_FILE, ...bare } = place.env;
  const env = { ...bare, VARVE_REPOSITORY: undefined, VARVE_KEY_FILE: undefined } as Record<string, string | undefined>;
  const [repo = '', key = ''] = [VARVE_REPOSITORY, VARVE_KEY_FILE];
  assert.equal(
    (await place.ok(['-r', repo, '--key-file', key, '--json', '--no-lock', 'snapshots'], { env })).out,
    '[]\n',
  );
  assert.equal(
    (await place.ok(['snapshots', `--repo=${repo}`, '--json', '--key-file', key, '--no-lock'], { env })).out,
    '[]\n',
  );
  writeFileSync(place.path('place'), `${repo}\n`);
  await place.ok(['snapshots', '--repository-file', place.path('place'), '--key-file', key], { env });
  const none = await place.run(['snapshots'], { env });
  assert.equal(none.code, 1);
  assert.match(none.err, /-r LOCATION, --repository-file FILE, or .*VARVE_REPOSITORY/);
});

test('the password comes from a file, a command or the environment', async () => {
  const file = place.path('password');
  writeFileSync(file, 'right\n', { mode: 0o600 });
  const quiet = await place.ok(['snapshots', '-p', file], { env: password });
  assert.equal(quiet.err, '');
  await place.ok(['snapshots', '--password-command', `sh -c 'echo right'`], { env: password });
  await place.ok(['snapshots'], { env: { ...password, VARVE_PASSWORD_FILE: file } });
  chmodSync(file, 0o644);
  const open = await place.ok(['snapshots', '-p', file], { env: password });
  assert.match(open.err, /^Warning: .*password can be read by other users \(mode 0644\): chmod 600 /);
  const failing = await place.run(['snapshots', '--password-command', 'false'], { env: password });
  assert.match(failing.err, /password command false: failed with exit code 1/);
});

test('without a terminal and without a password the error says how to give one', async () => {
  const { code, err } = await place.run(['snapshots'], { env: password });
  assert.equal(code, 1);
  for (const way of ['--password-file', '--password-command', 'VARVE_PASSWORD']) assert.match(err, new RegExp(way));
  writeFileSync(place.path('empty'), '\n', { mode: 0o600 });
  assert.match((await place.run(['snapshots', '-p', place.path('empty')], { env: password })).err, /is empty/);
  assert.match((await place.run(['snapshots'], { env: { ...password, VARVE_PASSWORD: '' } })).err, /is empty/);
});

test('a key hint chooses the key', async () => {
  const [{ id }] = await place.json<[{ id: string }]>(['key', 'list']);
  await place.ok(['snapshots', '--key-hint', id.slice(0, 8)]);
  assert.equal((await place.run(['snapshots', '--key-hint', '0000'])).code, 12);
});

test('without a place it is said how to give one; restic’s variable is none', async () => {
  const none = { VARVE_REPOSITORY: undefined };
  const { code, err } = await place.run(['snapshots'], { env: none });
  assert.equal(code, 1);
  assert.match(err, /^Fatal: the repository is missing: give -r LOCATION, .* VARVE_REPOSITORY\n$/);
  const restic = await place.run(['snapshots'], { env: { ...none, RESTIC_REPOSITORY: place.path('repo') } });
  assert.match(restic.err, /varve does not read RESTIC_REPOSITORY/);
});

test('a place may be called local', { skip: NEEDS_LOCAL }, async () => {
  await place.ok(['-r', `local:${place.path('repo')}`, 'snapshots']);
});

test('what is meant for another kind of place makes no directory: what to write instead is told', async () => {
  const directory = place.path('nothing');
  mkdirSync(directory);
  const places: [string, RegExp][] = [
    ['http://host/', /for a REST server write rest:http:\/\/host\/, for S3 s3:http:/],
    ['https://ann:hidden@host/x', /rest:https:\/\/ann:\*\*\*@host\/x/],
    ['ann@host:x', /write sftp:ann@host:x for a machine with ssh, or local:ann@host:x for a directory/],
    ['ann:hidden@host:x', /sftp:ann:\*\*\*@host:x/],
    ['ssh://ann@host/x', /write sftp:USER@HOST:\/PATH/],
    ['b2:bucket:folder', /use rclone for that: set up a remote with `rclone config`, and write rclone:REMOTE:PATH/],
    ['azure:x:/', /use rclone for that/],
    ['gs:x:/', /use rclone for that/],
    ['swift:x:/', /use rclone for that/],
    ['S3:bucket', /write s3:bucket/],
    ['file:///x', /write only the path of the directory/],
    ['drive:x', /write rclone:drive:x .* sftp:drive:x .*local:drive:x for a directory/],
  ];
  for (const [where, advice] of places) {
    const { code, err } = await place.run(['-r', where, 'init'], { cwd: directory });
    assert.equal(code, 1, where);
    assert.match(err, /^Fatal: repository "/);
    assert.match(err, advice);
    assert.doesNotMatch(err, /hidden/);
  }
  assert.deepEqual(readdirSync(directory), []);
  for (const where of ['./a:b', 'below/a:b', place.path('a:b')])
    assert.equal((await place.run(['-r', where, 'snapshots'], { cwd: directory })).code, 10, where);
});

test('who has read enough ends it quietly', async () => {
  const child = place.start(['help']);
  child.stdout?.destroy();
  const { code, err } = await outcome(child);
  assert.equal(err, '');
  assert.equal(code, 141, 'as if by SIGPIPE');
});

test('a backup and a restore come to their end though nobody reads what they print', async () => {
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`file ${i}`, `${i}`]));
  const directory = place.files('unread', files);
  const before = (await place.json<unknown[]>(['snapshots'])).length;
  const backup = place.start(['backup', '-vv', directory]);
  backup.stdout?.destroy();
  backup.stderr?.destroy();
  assert.equal((await outcome(backup)).code, 0);
  assert.equal((await place.json<unknown[]>(['snapshots'])).length, before + 1);
  const restore = place.start(['restore', `latest:${directory}`, '-vv', '--target', place.path('unread-restored')]);
  restore.stdout?.destroy();
  assert.equal((await outcome(restore)).code, 0);
  assert.deepEqual(readdirSync(place.path('unread-restored')).sort(), Object.keys(files).sort());
});

test('a listing that cannot be written is an error, and a backup is made all the same', {
  skip: !existsSync('/dev/full') && 'there is no /dev/full',
}, async () => {
  const directory = place.files('unwritten', { file: 'content' });
  const full = async (args: readonly string[]): Promise<{ code: number | null; err: string }> =>
    outcome(place.start(args, { stdout: openSync('/dev/full', 'w') }));
  const before = (await place.json<unknown[]>(['snapshots'])).length;
  const backup = await full(['backup', directory]);
  assert.equal(backup.code, 0);
  assert.match(backup.err, /^Warning: the output cannot be written: .*no space left on device/);
  assert.equal((await place.json<unknown[]>(['snapshots'])).length, before + 1);
  const listing = await full(['snapshots']);
  assert.equal(listing.code, 1);
  assert.match(listing.err, /^Fatal: the output cannot be written: .*no space left on device/);
});

test('help of a command, and of what is none', async () => {
  assert.match((await place.ok(['help', 'key', 'add'])).out, /^Usage: varve key add /);
  const unknown = await place.run(['help', 'bogus']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /unknown command 'bogus'/);
});

test('a place that refuses new folders is an error at once', {
  skip: !existsSync('/proc/self') && 'no /proc',
}, async () => {
  const { code, err } = await place.run(['-r', '/proc/varve/repository', 'init']);
  assert.equal(code, 1);
  assert.match(err, /\/proc\/varve/);
});

test('nothing is kept on this machine with --no-cache', async () => {
  const env = { XDG_CACHE_HOME: place.path('no-cache') };
  await place.ok(['snapshots', '--no-cache'], { env });
  assert.throws(() => chmodSync(place.path('no-cache'), 0o700));
  await place.ok(['snapshots', '--cache-dir', place.path('other-cache')], { env });
  chmodSync(place.path('other-cache'), 0o700);
});

test('init prints nothing when it is quiet', async () => {
  const { code, out, err } = await new Playground().run(['init', '--quiet']);
  assert.deepEqual([code, out, err], [0, '', '']);
});
