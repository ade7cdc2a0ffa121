import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { MAIN } from './main-program.js';
import { type Outcome, outcome, Playground } from './varve.js';

const local = process.env.VARVE_TEST_STORE === undefined ? false : 'about a repository in a directory';
const canUnshare = existsSync('/etc/fstab') && spawnSync('unshare', ['--mount', 'true']).status === 0;
const asRoot = canUnshare ? local : 'mounting over /etc/fstab takes root, unshare and that file';

/** Runs varve where /etc/fstab is another file. */
function withFstab(playground: Playground, fstab: string, args: readonly string[]): Promise<Outcome> {
  const file = playground.path('fstab');
  writeFileSync(file, fstab);
  const script = 'mount --bind "$0" /etc/fstab && exec "$@"';
  const words = ['--mount', 'sh', '-c', script, file, process.execPath, MAIN, ...args];
  return outcome(spawn('unshare', words, { env: playground.env, cwd: playground.directory }));
}

test('varve asks whether the disk is mounted when fstab mounts one where the repository should be', {
  skip: asRoot,
}, async () => {
  const playground = new Playground();
  const disk = playground.path('disk');
  mkdirSync(disk);
  const fstab = `UUID=1234 ${disk} ext4 noauto 0 2\n`;
  const repo = playground.path('disk', 'varve');
  const missing = await withFstab(playground, fstab, ['-r', repo, 'snapshots']);
  assert.equal(missing.code, 10);
  assert.match(missing.err, /^Fatal: .*no repository here.*\/etc\/fstab mounts a disk on .*disk.*mounted\?$/m);
  const refused = await withFstab(playground, fstab, ['-r', repo, 'init']);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /no repository was made.*`varve init --force` makes one all the same/);
  assert.ok(!existsSync(repo));
  assert.equal((await withFstab(playground, fstab, ['-r', repo, 'init', '--force'])).code, 0);
});

test('varve asks whether the disk is mounted when a repository was there before', { skip: local }, async () => {
  const playground = new Playground();
  const repo = playground.path('repo');
  await playground.ok(['init']);
  renameSync(repo, `${repo}-unmounted`);
  mkdirSync(repo);
  for (const place of [repo, 'repo']) {
    const missing = await playground.run(['-r', place, 'snapshots']);
    assert.equal(missing.code, 10);
    assert.match(missing.err, /a repository was opened here before: is its disk mounted, or was it moved\?/);
    const refused = await playground.run(['-r', place, 'init']);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /is its disk mounted.*--force/);
  }
  await playground.ok(['init', '--force']);
});

test('varve offers to make a repository where there was none before', { skip: local }, async () => {
  const playground = new Playground();
  await playground.ok(['init']);
  const { code, err } = await playground.run(['-r', playground.path('other'), 'snapshots']);
  assert.equal(code, 10);
  assert.match(err, /there is no repository here \(config is missing\); `varve init` makes one/);
});

test('serve and restore warn when they would write where a disk should be mounted', { skip: asRoot }, async () => {
  const playground = new Playground();
  const disk = playground.path('disk');
  mkdirSync(disk);
  const fstab = `UUID=1234 ${disk} ext4 noauto 0 2\n`;
  await playground.ok(['init']);
  await playground.ok(['backup', playground.files('source', { a: 'a' })]);
  const warning = new RegExp(
    `^Warning: ${disk}: /etc/fstab mounts a disk on ${disk}, and nothing is mounted there`,
    'm',
  );
  assert.match((await withFstab(playground, fstab, ['restore', 'latest', '--target', disk])).err, warning);
  const unusable = ['serve', '--path', disk, '--no-auth', '--open-to-all', '--listen', '192.0.2.1:1'];
  assert.match((await withFstab(playground, fstab, unusable)).err, warning);
});
