import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HeldLease } from '../../src/repository/leases/leases.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { MAIN } from '../cli/main-program.js';
import { Playground } from '../cli/varve.js';
import { type Crontab, isSchedule, type Job, parseCrontab } from './crontab.js';
import { type Mail, runJob } from './run-job.js';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));
const PASSWORD = 'pebble and sand';

const place = new Playground();
const bin = place.path('bin');
const home = place.path('home');
const source = place.path('etc');
const repository = place.path('repo');
const passwordFile = place.path('home', '.varve-password');

/** The crontab of the README, with this test's places for those in it. */
function crontab(): Crontab {
  const [, text] = /```crontab\n([\s\S]*?)```/.exec(readFileSync(README, 'utf8')) ?? [];
  assert.ok(text !== undefined, 'the README has a crontab');
  const { environment, jobs } = parseCrontab(text);
  assert.deepEqual(Object.keys(environment), ['MAILTO', 'PATH', 'VARVE_REPOSITORY', 'VARVE_PASSWORD_FILE']);
  const places = { VARVE_REPOSITORY: repository, VARVE_PASSWORD_FILE: passwordFile };
  return {
    environment: { ...environment, ...places, PATH: `${bin}:${environment.PATH}` },
    jobs: jobs.map((job) => ({ ...job, command: job.command.replace('/etc /home', `${source} ${home}`) })),
  };
}

const { environment, jobs } = crontab();
const [backup, forget, check] = jobs as [Job, Job, Job];

const run = (job: Job, changes: Readonly<Record<string, string>> = {}): Promise<Mail> =>
  runJob(job, { ...environment, ...changes }, home);

/** The largest pack: that with file contents. */
function largestPack(): string {
  const data = join(repository, 'data');
  const paths = readdirSync(data, { recursive: true }).map((name) => join(data, String(name)));
  const packs = paths.filter((path) => statSync(path).isFile());
  return packs.sort((a, b) => statSync(b).size - statSync(a).size)[0] as string;
}

before(async () => {
  for (const directory of [bin, home, source]) mkdirSync(directory);
  // As npm installs it.
  symlinkSync(MAIN, join(bin, 'varve'));
  symlinkSync(process.execPath, join(bin, 'node'));
  writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
  writeFileSync(join(source, 'hosts'), randomBytes(300_000));
  // Its password is quick to derive.
  const owner = { user: 'anna', host: 'test', logN: 10 };
  await initRepository(new LocalStore(repository), { unlock: { password: PASSWORD }, ...owner });
});

test('the crontab runs a backup each hour, a prune each night and a check each week', () => {
  assert.deepEqual(
    jobs.map(({ command }) => command.split(' ').slice(0, 2).join(' ')),
    ['varve backup', 'varve forget', 'varve check'],
  );
  for (const { schedule, input } of jobs) {
    assert.ok(isSchedule(schedule), schedule.join(' '));
    assert.equal(input, '', 'no % is left bare');
  }
  const stars = jobs.map(({ schedule }) => schedule.map((field) => (field === '*' ? '*' : 'n')).join(''));
  assert.deepEqual(stars, ['n****', 'nn***', 'nn**n']);
});

test('the jobs print nothing when they succeed', async () => {
  for (let hour = 0; hour < 2; hour++) {
    for (const job of jobs) assert.deepEqual(await run(job), { code: 0, text: '' }, job.command);
    writeFileSync(join(source, `file ${hour}`), 'new');
  }
  const { length } = await place.json<unknown[]>(['snapshots'], {
    env: { VARVE_KEY_FILE: undefined, VARVE_PASSWORD_FILE: passwordFile },
  });
  assert.ok(length > 0);
});

test('the check reads each quarter in turn in any week', async () => {
  const { command } = check;
  const asked: string[] = [];
  for (let week = 0; week < 4; week++) {
    const at = `date() { echo ${week * 604_800 + 12_345}; }; varve() { echo "$4"; }; ${command}`;
    asked.push((await run({ ...check, command: at })).text.trim());
  }
  assert.deepEqual(asked, ['1/4', '2/4', '3/4', '4/4']);
});

test('the backup says where a wrong password came from', async () => {
  writeFileSync(passwordFile, 'another\n');
  for (const job of jobs)
    assert.deepEqual(await run(job), {
      code: 12,
      text: `Fatal: ${repository}: wrong password, or no key found; it came from ${passwordFile}\n`,
    });
  writeFileSync(passwordFile, `${PASSWORD}\n`);
});

test('the backup reports a missing password file and asks nothing', async () => {
  renameSync(passwordFile, `${passwordFile}.away`);
  const { code, text } = await run(backup);
  assert.equal(code, 1);
  assert.equal(text, `Fatal: cannot read the password file ${passwordFile}: no such file or directory\n`);
  renameSync(`${passwordFile}.away`, passwordFile);
  const { text: none } = await run(backup, { VARVE_PASSWORD_FILE: '' });
  assert.match(none, /^Fatal: no password given and no terminal to ask for one: use --password-file/);
  chmodSync(passwordFile, 0o644);
  const { code: readable, text: warning } = await run(backup);
  assert.equal(readable, 0);
  assert.match(warning, /^Warning: .*can be read by other users \(mode 0644\): chmod 600 /);
  chmodSync(passwordFile, 0o600);
});

test('the backup reports a disk that is not mounted', async () => {
  renameSync(repository, `${repository}.away`);
  for (const job of jobs) {
    const { code, text } = await run(job);
    assert.equal(code, 10);
    assert.equal(
      text,
      `Fatal: ${repository}: there is no repository here (config is missing); a repository was opened here before: is its disk mounted, or was it moved?\n`,
    );
  }
  renameSync(`${repository}.away`, repository);
});

test('the backup stores the other sources when one is gone', async () => {
  renameSync(source, `${source}.away`);
  const { code, text } = await run(backup);
  assert.equal(code, 3);
  assert.match(text, new RegExp(`^error: ${source}: no such file or directory\n`));
  assert.equal(text.trimEnd().split('\n').length, 2);
  renameSync(`${source}.away`, source);
  assert.deepEqual(await run(backup), { code: 0, text: '' });
});

test('the check names the damage, the files and the remedy', async () => {
  const pack = largestPack();
  const bytes = readFileSync(pack);
  rmSync(pack);
  const { code, text } = await run(check);
  assert.equal(code, 1);
  assert.match(text, new RegExp(`^error: data/${pack.slice(-64)}: is missing\n {2}touches \\d+ snapshots? `));
  assert.ok(text.includes(`    ${source}/hosts\n`));
  assert.match(text, /\n {2}put it back from another copy of the repository; else `varve repair /);
  assert.match(text, /\nFatal: the repository has 1 error [^\n]*\n$/);
  const pruned = await run(forget);
  assert.equal(pruned.code, 1);
  assert.match(pruned.text, /missing, though snapshots need it; nothing is removed; run `varve check`\n$/);
  writeFileSync(pack, bytes);
  const [index] = readdirSync(join(repository, 'index'));
  const path = join(repository, 'index', index as string);
  const object = readFileSync(path);
  writeFileSync(path, object.subarray(1));
  rmSync(place.path('home', '.cache'), { recursive: true, force: true });
  const saved = await run(backup);
  assert.match(
    saved.text,
    /^Warning: a part of the index cannot be used.*: index\/[0-9a-f]{64}: its content does not match its name;.* `varve repair index`.*\n/,
  );
  // Whether or not the object lists a directory of the parent snapshot: all of it is stored again.
  assert.equal(saved.code, 0, saved.text);
  const refused = await run(forget);
  assert.match(refused.text, /^Fatal: index\/[0-9a-f]{64}: its content does not match its name; run `varve check`\n$/);
  assert.equal(refused.code, 1);
  assert.match((await run(check)).text, /`varve repair index` rebuilds the index/);
  writeFileSync(path, object);
});

test('a prune names the other prune when one runs', async () => {
  const unlock = { password: PASSWORD };
  const opened = await openRepository(new LocalStore(repository), { unlock, cacheDirectory: undefined });
  const lease = await HeldLease.acquire(opened, 'prune');
  const { code, text } = await run(forget);
  assert.equal(code, 11);
  assert.match(
    text,
    /^Fatal: another prune is at work: a prune by .*, process \d+, since .*; wait for it, or run it again later\n$/,
  );
  for (const job of [backup, check]) assert.deepEqual(await run(job), { code: 0, text: '' });
  await lease.release();
  assert.deepEqual(await run(forget), { code: 0, text: '' });
});

test('the parser of the crontab agrees with cron', () => {
  const { environment: set, jobs: read } = parseCrontab(`# a comment
 NAME = "a b"
5 4 * * 1-5  cat; echo \\%%one%two\\%
`);
  assert.deepEqual(set, { NAME: 'a b' });
  assert.deepEqual(read, [{ schedule: ['5', '4', '*', '*', '1-5'], command: 'cat; echo %', input: 'one\ntwo%\n' }]);
  assert.throws(() => parseCrontab('5 4 * *  cat'), /no line of a crontab/);
});
