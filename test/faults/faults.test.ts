import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { Campaign } from './campaign.js';
import type { Command } from './commands.js';
import { type Fault, NO_FAULTS, Preload } from './preload.js';
import { type Ended, startVarve } from './program.js';
import { type History, Stage } from './stage.js';

const scratch = scratchDirectory();
const RANDOM_RUNS = 6;
const SERVER_RUNS = 4;

suite('calls of libc that fail', { skip: NO_FAULTS, timeout: 600_000 }, () => {
  let stage: Stage;
  let preload: Preload;
  let history: History;
  before(async () => {
    mkdirSync(join(scratch, 'stage'));
    preload = new Preload(scratch);
    stage = await Stage.create(join(scratch, 'stage'), ['plain']);
    history = stage.history('plain');
  });

  /** Runs a command while calls on one path fail. */
  function failing(path: string, fault: Omit<Fault, 'area'>, ...args: string[]): Promise<Ended> {
    stage.reset({ kind: 'plain', warm: false, command: {} });
    const command: Command = { name: args[0] ?? '', args, areas: [] };
    return startVarve(stage, preload, command, { area: 0, ...fault }, [path]);
  }

  const object = (type: string, name: string): string => stage.run('repository', type, name);
  const EVER = { at: 1, mode: 'ever', error: 'EIO' } as const;
  const READ: Omit<Fault, 'area'> = { ...EVER, calls: 'read' };
  /** After the repository is opened, for which all keys are read. */
  const SECOND_READ: Omit<Fault, 'area'> = { ...READ, at: 2 };

  for (const args of [
    ['snapshots'],
    ['stats'],
    ['find', 'letter*'],
    ['tag', '--add', 'kept'],
    ['rewrite', '--dry-run', '--exclude', 'changing'],
    ['forget', '--keep-last', '1'],
  ])
    test(`${args[0]} ends with 1 when a snapshot cannot be read`, async () => {
      const [unread = ''] = history.snapshots;
      const { code, err } = await failing(object('snapshots', unread), READ, ...args);
      assert.match(
        err,
        new RegExp(`Warning: a snapshot is skipped: cannot read snapshots/${unread}.*input/output error`),
      );
      assert.equal(code, 1);
      const { snapshots } = await listSnapshots(await stage.open());
      assert.ok(snapshots.some(({ id }) => id === unread));
    });

  test('ls ends with 0 when it is another snapshot that cannot be read', async () => {
    const { code } = await failing(
      object('snapshots', history.snapshots[0] ?? ''),
      READ,
      'ls',
      history.snapshots[1] ?? '',
    );
    assert.equal(code, 0);
  });

  test('key list ends with 1 when a key cannot be read', async () => {
    const { code, err } = await failing(object('keys', history.spareKeyObject), SECOND_READ, 'key', 'list');
    assert.match(err, /a key is skipped: cannot read keys\/.*input\/output error/);
    assert.equal(code, 1);
  });

  test('key passwd changes nothing when a key cannot be read', async () => {
    const args = ['key', 'passwd', '--new-key-file', stage.run('new-key')];
    const { code, err } = await failing(object('keys', history.spareKeyObject), SECOND_READ, ...args);
    assert.equal(code, 1);
    assert.match(err, /^Fatal: cannot read keys\/.*input\/output error/m);
    await stage.open();
  });

  test('no password is called wrong when the key slot that it may open cannot be read', async () => {
    const { code, err } = await failing(object('keys', history.ownKeyObject), READ, 'snapshots');
    assert.match(err, /^Fatal: no key slot that can be read fits, and one was not tried: cannot read keys\//m);
    assert.equal(code, 1);
  });

  for (const [error, outcome] of [
    ['ESTALE', /^removed 0 packs; stored 0 blobs of them again$/m],
    ['EACCES', /permission denied/],
  ] as const)
    test(`repair packs replaces no pack when ${error} once keeps it from being read`, async () => {
      const path = object('data', join(history.pack.slice(0, 2), history.pack));
      const fault: Omit<Fault, 'area'> = { calls: 'open', at: 1, mode: 'once', error };
      const { out, err } = await failing(path, fault, 'repair', 'packs', history.pack);
      assert.match(out + err, outcome);
      assert.doesNotMatch(out + err, /healed/);
    });

  test('restore --delete names what it cannot remove, and removes the rest', async () => {
    const target = stage.run('target', 'restored');
    const kept = join(target, 'pictures', 'only in 1');
    const fault: Omit<Fault, 'area'> = { ...EVER, calls: 'unlink' };
    const args = ['restore', `latest:${stage.source}`, '--target', target, '--delete'];
    const { code, err } = await failing(kept, fault, ...args);
    assert.equal(code, 1);
    assert.match(err, /^error: \/pictures\/only in 1: input\/output error$/m);
    assert.deepEqual(
      readdirSync(join(target, 'pictures')).filter((name) => name.startsWith('only in')),
      ['only in 1', 'only in 3'],
    );
  });

  for (const error of ['EIO', 'ESTALE', 'ENOSPC'] as const)
    test(`restore ends with 1 when ${error} keeps metadata from being set`, async () => {
      const target = stage.run('target', 'fresh');
      const args = ['restore', `latest:${stage.source}`, '--target', target, '--verify'];
      const { code, out, err } = await failing(target, { ...EVER, calls: 'attributes', error }, ...args);
      assert.match(err, /^error: \/documents\/letter 3: cannot set its attribute user\.comment: /m);
      assert.match(err, /^error: \/documents\/link: cannot set its times: /m);
      assert.match(err, /^error: \/documents: cannot set its mode: /m);
      assert.doesNotMatch(out, /all is as in the snapshot/);
      assert.equal(code, 1);
      assert.ok(readdirSync(join(target, 'documents')).includes('letter 3'));
    });

  test('restore ends with 1 when EIO keeps metadata of existing files from being set', async () => {
    const target = stage.run('target', 'restored');
    const args = ['restore', `latest:${stage.source}`, '--target', target];
    const { code, err } = await failing(join(target, 'documents'), { ...EVER, calls: 'attributes' }, ...args);
    assert.match(err, /^error: \/documents: cannot set its times: input\/output error$/m);
    assert.equal(code, 1);
  });

  test('restore names the target when its threads cannot open it', async () => {
    const target = stage.run('target', 'restored');
    const args = ['restore', `latest:${stage.source}`, '--target', target];
    for (const at of [1, 8]) {
      const { code, err } = await failing(target, { ...EVER, calls: 'open', at }, ...args);
      assert.match(err, new RegExp(`^Fatal: cannot restore to ${target}: input/output error$`, 'm'));
      assert.equal(code, 1);
    }
  });

  test('restore ends with 0, and says what is right, when the user may not set metadata', async () => {
    const target = stage.run('target', 'fresh');
    const args = ['restore', `latest:${stage.source}`, '--target', target, '--verify'];
    const { code, out, err } = await failing(target, { ...EVER, calls: 'attributes', error: 'EACCES' }, ...args);
    assert.match(err, /^warning: .*: cannot set its times: permission denied$/m);
    assert.match(out, /^verified \d+ files: the contents are as in the snapshot$/m);
    assert.equal(code, 0);
  });

  test('init ends with 0 when only its temporary file cannot be removed', async () => {
    const path = stage.run('target', 'new');
    const { code, err } = await failing(path, { ...EVER, calls: 'unlink' }, 'init', '--repo', path);
    assert.equal(`${code} ${err}`, '0 ');
  });

  test('ls ends with 0 when files of the cache cannot be closed', async () => {
    const { code, err } = await failing(stage.run('cache'), { ...EVER, calls: 'close' }, 'ls', 'latest');
    assert.equal(`${code} ${err}`, '0 ');
  });

  test('backup leaves no snapshot when the directory of snapshots cannot be synced', async () => {
    const { code, err } = await failing(
      stage.run('repository', 'snapshots'),
      { ...EVER, calls: 'fsync', at: 2 },
      'backup',
      stage.source,
    );
    assert.equal(code, 1);
    assert.match(err, /^Fatal: cannot write snapshots\//m);
    const { snapshots } = await listSnapshots(await stage.open());
    assert.deepEqual(
      snapshots.map(({ id }) => id),
      history.snapshots,
    );
  });

  test('backup says what is wrong with a file when the server no longer knows it', async () => {
    const path = join(stage.source, 'documents', 'letter 5');
    const fault: Omit<Fault, 'area'> = { ...READ, error: 'ESTALE' };
    const { code, err } = await failing(path, fault, 'backup', '--force', stage.source);
    assert.equal(code, 3);
    assert.match(err, /^error: .*\/letter 5: stale file handle/m);
    assert.doesNotMatch(err, /Unknown system error/);
  });

  test('commands lose nothing and accuse nothing when calls fail at random', async () => {
    mkdirSync(join(scratch, 'random'));
    const campaign = await Campaign.create({
      directory: join(scratch, 'random'),
      runs: RANDOM_RUNS,
      seed: 1,
      kinds: ['plain'],
      only: /^(backup|forget|prune|ls)$/,
    });
    const { failures } = await campaign.run();
    assert.deepEqual(failures, []);
  });

  test('mounts and clients of a server lose nothing when calls fail at random', async () => {
    mkdirSync(join(scratch, 'servers'));
    const campaign = await Campaign.create({
      directory: join(scratch, 'servers'),
      runs: SERVER_RUNS,
      seed: 2,
      kinds: ['plain'],
      only: /^(mount|snapshots served|backup served)$/,
    });
    const { failures } = await campaign.run();
    assert.deepEqual(failures, []);
  });
});
