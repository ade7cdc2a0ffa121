import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { isMounted } from '../../src/mount/protocol/mounting.js';
import { step } from '../backup/random-steps.js';
import { apply } from '../backup/random-tree.js';
import { MAIN } from '../cli/main-program.js';
import { Playground } from '../cli/varve.js';
import { missingPrograms } from '../fidelity/commands.js';
import { assertEqualTrees } from '../fidelity/compare.js';
import { NO_FUSE, NO_USER_FUSE, NOBODY, type Running, startMount, whenMounted } from './fuse.js';

const isRoot = process.getuid?.() === 0;
/** Random trees with every kind of entry, the same each time. */
const STEPS = fc.sample(fc.array(step, { minLength: 60, maxLength: 120, size: 'max' }), { seed: 6, numRuns: 4 });

/** Waits for a change that a mount shows some seconds later. */
async function until(isDone: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!isDone()) {
    assert.ok(performance.now() < end, 'it did not happen within 30 s');
    await setTimeout(200);
  }
}

describe('mount', { skip: NO_FUSE }, () => {
  let mount: Running;

  // Before the directory is removed.
  after(async () => {
    const { code, err } = await mount.stop();
    assert.equal(code, 0, err);
    assert.equal(isMounted(mount.path), false);
  });

  const play = new Playground();
  const source = play.path('source');

  before(async () => {
    mkdirSync(source);
    if (isRoot) for (const [number, steps] of STEPS.entries()) apply(play.path('source', `random ${number}`), steps);
    play.files('source/known', { 'one.txt': 'one', 'sub/two.txt': 'two', empty: '' });
    linkSync(play.path('source/known/one.txt'), play.path('source/known/linked'));
    symlinkSync('sub/two.txt', play.path('source/known/link'));
    writeFileSync(play.path('source/known/sparse'), 'begin');
    truncateSync(play.path('source/known/sparse'), 50_000_000);
    writeFileSync(play.path('source/known/sparse'), 'end', { flag: 'a' });
    writeFileSync(play.path('source/known/large'), Buffer.alloc(9_000_001, 'not all alike, as '.repeat(999)));
    await play.ok(['init']);
    await play.backup(source, '--tag', 'first', '--host', 'web1');
    mount = await startMount(play, 'mnt');
  });

  const latest = (...names: string[]): string => [mount.path, 'snapshots/latest', source, ...names].join('/');

  it('shows the attributes of the original when an entry is of any kind', {
    skip: missingPrograms() ?? false,
  }, () => {
    assertEqualTrees(source, latest());
  });

  it('shows snapshots by id, time, host, tag and path when there are no options', () => {
    assert.deepEqual(readdirSync(mount.path).sort(), ['hosts', 'ids', 'paths', 'snapshots', 'tags']);
    const [time = ''] = readdirSync(`${mount.path}/snapshots`);
    for (const directory of [
      'hosts/web1',
      'tags/first',
      'snapshots',
      `paths/${source.slice(1).replaceAll('/', '_')}`,
    ]) {
      assert.deepEqual(readdirSync(`${mount.path}/${directory}`), [time, 'latest']);
      assert.equal(readlinkSync(`${mount.path}/${directory}/latest`), time);
    }
    assert.equal(existsSync(`${mount.path}/hosts/web2`), false);
    assert.equal(lstatSync(`${mount.path}/snapshots/latest`).isSymbolicLink(), true);
  });

  it('reads any part of a file, and zeros when it is a hole', () => {
    const sparse = readFileSync(latest('known/sparse'));
    assert.equal(sparse.length, 50_000_003);
    assert.equal(sparse.equals(readFileSync(play.path('source/known/sparse'))), true);
    const dd = (...args: string[]): Buffer =>
      execFileSync('dd', ['status=none', `if=${latest('known/large')}`, ...args], { maxBuffer: 2 ** 25 });
    const large = readFileSync(play.path('source/known/large'));
    assert.equal(dd('bs=1000', 'skip=4321', 'count=7').equals(large.subarray(4_321_000, 4_328_000)), true);
    assert.equal(dd('bs=1M', 'iflag=direct').equals(large), true);
    assert.equal(readFileSync(latest('known/empty')).length, 0);
  });

  it('finds the holes of a file when a program seeks them', () => {
    const script = `import os
f = os.open(${JSON.stringify(latest('known/sparse'))}, os.O_RDONLY)
print(os.lseek(f, 0, os.SEEK_HOLE), os.lseek(f, 1000000, os.SEEK_DATA), os.lseek(f, 49999999, os.SEEK_HOLE))`;
    const [hole, data, end] = execFileSync('python3', ['-c', script], { encoding: 'utf8' })
      .trim()
      .split(' ')
      .map(Number);
    assert.ok((hole ?? 0) > 0 && (hole ?? 0) < 1_000_000);
    assert.ok((data ?? 0) > 49_000_000);
    assert.equal(end === 50_000_003 || end === 49_999_999, true);
  });

  it('refuses to write when a program tries', () => {
    assert.throws(() => writeFileSync(latest('known/one.txt'), 'x'), /EROFS/);
    assert.throws(() => mkdirSync(latest('new')), /EROFS/);
  });

  it('reports ENOENT when a name does not exist', () => {
    for (const name of ['absent', 'known/one.tx', 'known/one.txt2', 'known/one.txt/x'])
      assert.throws(() => statSync(latest(name)), /ENOENT|ENOTDIR/);
    assert.throws(() => statSync(latest('n'.repeat(256))), /ENAMETOOLONG/);
  });

  it('shows a new snapshot and moves "latest" when one is made', async () => {
    play.files('source', { 'later.txt': 'came later' });
    const before = readlinkSync(`${mount.path}/snapshots/latest`);
    // A snapshot's name has the second in which it was made.
    await setTimeout(1000);
    await play.backup(source, '--tag', 'second');
    await until(() => readlinkSync(`${mount.path}/snapshots/latest`) !== before);
    assert.equal(readFileSync(latest('later.txt'), 'utf8'), 'came later');
    assert.deepEqual(readdirSync(`${mount.path}/tags`), ['first', 'second']);
  });
});

describe('mount with options', { skip: NO_FUSE }, () => {
  const play = new Playground();
  const source = play.path('source');

  before(async () => {
    play.files('source', { file: 'content', 'folder/other': 'more' });
    await play.ok(['init']);
    await play.backup(source, '--host', 'web1');
    await play.backup(source, '--host', 'web2');
  });

  it('shows chosen snapshots at the paths of the templates when both are given', async () => {
    const args = ['--host', 'web2', '--path-template', 'of/%h/%T', '--time-template', '2006'];
    const mount = await startMount(play, 'templates', args);
    try {
      const year = String(new Date().getUTCFullYear());
      assert.deepEqual(readdirSync(mount.path), ['of']);
      assert.deepEqual(readdirSync(`${mount.path}/of`), ['web2']);
      assert.deepEqual(readdirSync(`${mount.path}/of/web2`), [year, 'latest']);
    } finally {
      await mount.stop();
    }
  });

  it('prints the mount point, as JSON when --json is given', async () => {
    const mount = await startMount(play, 'json', ['--json']);
    const quiet = await startMount(play, 'quiet', ['-q']);
    const said = await mount.stop();
    assert.deepEqual(JSON.parse(said.out), { message_type: 'mounted', mountpoint: mount.path });
    assert.equal((await quiet.stop()).out, '');
    const usual = await startMount(play, 'usual');
    assert.match((await usual.stop()).out, /^Now serving the repository at .*usual\n/);
  });

  it('tells the kernel that there are no xattrs when there are none, and warns when a later snapshot has some', {
    skip: missingPrograms() ?? false,
  }, async () => {
    const mount = await startMount(play, 'attributes');
    const later = play.files('later', { file: 'with an attribute' });
    execFileSync('setfattr', ['-n', 'user.color', '-v', 'blue', `${later}/file`]);
    const ask = (path: string): string =>
      spawnSync('getfattr', ['-d', '--absolute-names', path], { encoding: 'utf8' }).stdout;
    try {
      assert.equal(ask(`${mount.path}/snapshots/latest${source}/file`), '');
      await play.backup(later);
      await until(() => {
        assert.equal(ask(`${mount.path}/snapshots/latest${later}/file`), '');
        return /a new snapshot has extended attributes.*mount again/.test(mount.stderr());
      });
    } finally {
      await mount.stop();
    }
    const again = await startMount(play, 'attributes');
    const found = ask(`${again.path}/snapshots/latest${later}/file`);
    await again.stop();
    assert.match(found, /user.color="blue"/);
  });

  it('shows root as owner when --owner-root is given', { skip: !isRoot && 'runs as root only' }, async () => {
    chownSync(play.path('source/file'), NOBODY, NOBODY);
    await play.backup(source);
    for (const [args, uid] of [
      [[], NOBODY],
      [['--owner-root'], 0],
    ] as const) {
      const mount = await startMount(play, 'owners', args);
      const { uid: found, gid } = statSync(`${mount.path}/snapshots/latest${source}/file`);
      await mount.stop();
      assert.deepEqual([found, gid], [uid, uid]);
    }
  });

  it('lets other users read as modes allow when --allow-other is given', {
    skip: !isRoot && 'runs as root only',
  }, async () => {
    chmodSync(play.directory, 0o755);
    writeFileSync(play.path('source/secret'), 'for root', { mode: 0o600 });
    await play.backup(source);
    const reading = (mount: Running, name: string): string | null => {
      const path = `${mount.path}/snapshots/latest${source}/${name}`;
      const { status, stdout } = spawnSync('cat', [path], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });
      return status === 0 ? stdout : null;
    };
    const cases = [
      [[], null, null],
      [['--allow-other'], 'content', null],
      [['--allow-other', '--no-default-permissions'], 'content', 'for root'],
    ] as const;
    for (const [args, file, secret] of cases) {
      const mount = await startMount(play, 'others', args);
      const found = [reading(mount, 'file'), reading(mount, 'secret')];
      await mount.stop();
      assert.deepEqual(found, [file, secret], args.join(' '));
    }
  });

  it('mounts through fusermount3 when the user is not root', { skip: NO_USER_FUSE }, async (t) => {
    chmodSync(play.directory, 0o755);
    const home = play.path('home');
    mkdirSync(`${home}/mnt`, { recursive: true });
    copyFileSync(play.path('key'), `${home}/key`);
    execFileSync('cp', ['-a', play.path('repo'), `${home}/repo`]);
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, home]);
    const child = spawn(process.execPath, [MAIN, 'mount', `${home}/mnt`], {
      uid: NOBODY,
      gid: NOBODY,
      cwd: '/',
      env: {
        PATH: process.env.PATH ?? '',
        HOME: home,
        VARVE_REPOSITORY: `${home}/repo`,
        VARVE_KEY_FILE: `${home}/key`,
      },
    });
    const mount = await whenMounted(child, `${home}/mnt`).catch((cause: Error) => {
      if (/EACCES.*(node_modules|build)|Cannot find module/.test(cause.message)) return undefined;
      throw cause;
    });
    if (mount === undefined) return t.skip('this checkout, or this Node, is not readable for others');
    const path = `${mount.path}/snapshots/latest${source}/file`;
    assert.equal(execFileSync('cat', [path], { uid: NOBODY, gid: NOBODY, encoding: 'utf8' }), 'content');
    const { code, err } = await mount.stop();
    assert.equal(code, 0, err);
    assert.equal(isMounted(mount.path), false);
  });
});

describe('mount refuses', () => {
  const play = new Playground();
  before(async () => {
    await play.ok(['init']);
  });

  const cases: [string[], RegExp][] = [
    [['mount'], /missing required argument/],
    [['mount', 'absent'], /absent: no such file or directory; create it with `mkdir absent`/],
    [['mount', 'key'], /key: is not a directory/],
    [['mount', '.', '--cache-size', '1M'], /--cache-size: "1M": from 16M/],
    [['mount', '.', '--cache-size', 'much'], /--cache-size: "much" is not a size/],
    [['mount', '.', '--path-template', '/'], /--path-template: "\/" names no directory/],
    [['mount', '.', '--no-default-permissions'], /needs --allow-other/],
  ];
  for (const [args, message] of cases)
    it(args.join(' '), async () => {
      const { code, err } = await play.run(args);
      assert.equal(code, 1);
      assert.match(err, message);
    });
});
