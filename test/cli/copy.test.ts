import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

interface Listed {
  readonly id: string;
  readonly hostname: string;
  readonly time: string;
  readonly tags?: string[];
  readonly original?: string;
}

const place = new Playground();
const source = place.files('source', { a: 'a', big: randomBytes(2_000_000) });
const keyFile = place.path('key');
/** The second repository has a key of its own. */
const otherKey = place.path('other-key');
const second = { VARVE_REPOSITORY: place.repository('second'), VARVE_KEY_FILE: otherKey };
const from = ['--from-repo', place.repository(), '--from-key-file', keyFile];
let web1 = '';
let web2 = '';

before(async () => {
  writeFileSync(otherKey, randomBytes(32), { mode: 0o600 });
  await place.ok(['init']);
  web1 = await place.backup(source, '--host', 'web1', '--time', '2024-05-01', '--tag', 'x');
  place.files('source', { b: 'b' });
  web2 = await place.backup(source, '--host', 'web2', '--time', '2024-05-02');
});

const listed = () => place.json<Listed[]>(['snapshots'], { env: second });

test('init cuts alike when it is told so', async () => {
  assert.match((await place.run(['init', ...from], { env: second })).err, /--from-repo needs --copy-chunker-params/);
  assert.match(
    (await place.run(['init', '--copy-chunker-params'], { env: second })).err,
    /the other repository is missing: give --from-repo/,
  );
  await place.ok(['init', ...from, '--copy-chunker-params'], { env: second });
});

test('from which repository, and with which password, has to be said', async () => {
  assert.match((await place.run(['copy'], { env: second })).err, /the other repository is missing/);
  const args = ['copy', '--from-repo', place.repository()];
  assert.match((await place.run(args, { env: second })).err, /no password given for the other repository/);
  const wrong = [...args, '--from-key-file', otherKey];
  assert.equal((await place.run(wrong, { env: second })).code, 12);
});

test('the command that prints the other password is run once: it may ask somebody', async () => {
  const runs = place.path('runs');
  const command = `sh -c "echo run >> ${runs}; echo wrong"`;
  const args = ['copy', '--from-repo', place.repository(), '--from-password-command', command];
  assert.equal((await place.run(args, { env: second })).code, 12);
  assert.equal(readFileSync(runs, 'utf8'), 'run\n');
});

test('ids and filters say what; time, host and tags stay', async () => {
  const { out } = await place.ok(['copy', ...from, '--host', 'web1'], { env: second });
  assert.match(out, /^\nsnapshot .{8} of \[.*\/source\] at 2024-05-01 00:00:00 by .*@web1\nsnapshot .{8} saved\n/);
  assert.match(out, /copied 1 snapshot\nAdded to the repository: 1\.9\d\d MiB/);
  const [copied] = await listed();
  assert.deepEqual(
    [copied?.hostname, copied?.time, copied?.tags, copied?.original],
    ['web1', '2024-05-01T00:00:00Z', ['x'], web1],
  );
});

test('the environment says from where, too; what was copied is skipped', async () => {
  const env = { ...second, VARVE_FROM_REPOSITORY: place.repository(), VARVE_FROM_KEY_FILE: keyFile };
  const lines = (await place.ok(['copy', '--json'], { env })).out.trimEnd().split('\n');
  const [skipped, copied, summary] = lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((each) => each['message_type'] !== 'status');
  assert.deepEqual([skipped?.['message_type'], skipped?.['source_snapshot_id']], ['skipped', web1]);
  assert.deepEqual([copied?.['message_type'], copied?.['source_snapshot_id']], ['copied', web2]);
  assert.deepEqual([summary?.['copied_snapshots'], summary?.['skipped_snapshots']], [1, 1]);
  assert.equal(summary?.['data_blobs'], 1);
  await place.ok(['check', '--read-data'], { env });
  await place.ok(['restore', `latest:${source}`, '--target', place.path('restored')], { env: second });
  execFileSync('diff', ['-r', source, place.path('restored')]);
});

test('what is backed up here shares with what was copied', async () => {
  const { data_blobs } = await place.json<{ data_blobs: number }>(['backup', source, '--force'], { env: second });
  assert.equal(data_blobs, 0);
});

test('a key of the other repository that may not read is refused', async () => {
  await place.ok(['key', 'add', '--role', 'manage', '--new-key-file', place.path('manage')]);
  const args = ['copy', '--from-repo', place.repository(), '--from-key-file', place.path('manage')];
  const { code, err } = await place.run(args, { env: second });
  assert.equal(code, 1);
  assert.match(err, /cannot copy from this repository; use a full key/);
});
