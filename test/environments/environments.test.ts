/** Every command where little is as usual: no entry for the user, no HOME, few descriptors, an odd TZ, a removed working directory. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MAIN } from '../cli/main-program.js';
import { type Outcome, outcome, Playground } from '../cli/varve.js';

const NOBODY_KNOWN = 12345;
const ALL = process.env.VARVE_ENVIRONMENTS === 'all';
const canChangeUser =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', ['--reuid', String(NOBODY_KNOWN), '--clear-groups', process.execPath, MAIN, 'version'])
    .status === 0;
const skip =
  process.env.VARVE_TEST_STORE !== undefined
    ? 'about a repository in a directory'
    : canChangeUser
      ? false
      : 'another user takes root, setpriv, and that others can read Node and varve';

/** Run at the beginning of a shell script, before the command. */
const CONDITIONS = {
  user: 'set -- setpriv --reuid 12345 --regid 12345 --clear-groups "$@"',
  descriptors: 'ulimit -n 64',
  cwd: 'cd "$GONE" && rmdir "$GONE"',
  stdin: 'exec <&-',
  stderr: 'exec 2>&-',
  output: 'exec >&-',
  // The mounts end with the namespace. The playground alone can be written to.
  readOnlyRoot: `set -- unshare --mount sh -c 'mount --bind "$PLACE" "$PLACE" && mount -o remount,bind,ro / && exec "$@"' sh "$@"`,
} as const;
type Condition = keyof typeof CONDITIONS;

const COMBINED: readonly (readonly Condition[])[] = [['user', 'descriptors', 'cwd', 'stdin']];
const canMount =
  spawnSync('unshare', ['--mount', 'sh', '-c', 'mount --bind /tmp /tmp && mount -o remount,bind,ro /']).status === 0;
const EACH: readonly (readonly Condition[])[] = [
  ...(Object.keys(CONDITIONS) as Condition[])
    .filter((each) => canMount || each !== 'readOnlyRoot')
    .map((each) => [each]),
  ['stdin', 'output'],
  ['stdin', 'stderr'],
  ['output', 'stderr'],
  ['stdin', 'output', 'stderr'],
];

/** `$` stands for the playground. The default share is those that do most. */
const COMMANDS: readonly (readonly string[])[] = [
  ['backup', '$/source'],
  ['restore', 'latest', '--target', '$/open/restored'],
  ['check', '--read-data'],
  ['forget', '--keep-daily', '3', '--prune'],
  ['ls', 'latest'],
  ...(ALL
    ? [
        ['snapshots'],
        ['find', 'a'],
        ['diff', 'latest', 'latest'],
        ['stats'],
        ['dump', 'latest', '$/source/a'],
        ['cat', 'config'],
        ['list', 'packs'],
        ['key', 'list'],
        ['prune'],
        ['tag', '--add', 'x', 'latest'],
        ['rewrite', '--exclude', 'none'],
        ['unlock'],
        ['repair', 'index'],
        ['repair', 'snapshots'],
        ['recover'],
        ['copy', '--from-repo', '$/repo', '-r', '$/other'],
        ['init', '-r', '$/open/new'],
        ['mount', '$/open'],
        ['key', 'add', '--new-insecure-no-password'],
        ['key', 'rotate'],
        ['repair', 'packs'],
        ['store', 'test', '$/open/tested'],
        ['version'],
        ['--help'],
      ]
    : []),
];

/** What they end with where all is well, or where something is missing that they say. */
const EXPECTED: ReadonlySet<number | null> = new Set([0, 1]);

async function prepared(): Promise<Playground> {
  const playground = new Playground();
  await playground.ok(['init']);
  await playground.ok(['init', '-r', playground.path('other')]);
  await playground.ok(['backup', playground.files('source', { a: 'a', 'b/c': 'c' })]);
  playground.files('open', { first: '' });
  return playground;
}

function give(path: string): void {
  chownSync(path, NOBODY_KNOWN, NOBODY_KNOWN);
  for (const each of readdirSync(path, { recursive: true }))
    chownSync(join(path, String(each)), NOBODY_KNOWN, NOBODY_KNOWN);
}

function run(playground: Playground, conditions: readonly Condition[], args: readonly string[]): Promise<Outcome> {
  const words = args.map((each) => each.replace(/^\$/, playground.directory));
  const script = ['mkdir -m 755 "$GONE"', ...conditions.map((each) => CONDITIONS[each]), 'exec "$@"'].join('\n');
  const { XDG_CACHE_HOME: _, ...env } = playground.env;
  const GONE = playground.path(`gone-${Math.random()}`);
  // A command that waits, such as mount, is ended in order.
  const command = ['timeout', '--kill-after=10', args[0] === 'mount' ? '5' : '60', process.execPath, MAIN, ...words];
  return outcome(
    spawn('sh', ['-c', script, 'sh', ...command], {
      env: {
        ...env,
        GONE,
        PLACE: playground.directory,
        TZ: 'CET-1CEST,M3.5.0,M10.5.0/3',
        LANG: 'C',
        VARVE_FROM_KEY_FILE: env.VARVE_KEY_FILE,
      },
      cwd: playground.directory,
    }),
  );
}

test('every command runs or explains in one line when the environment lacks the usual', { skip }, async (context) => {
  if (ALL && !canMount) context.diagnostic('not with a read-only root: unshare and mount are not permitted');
  const playground = await prepared();
  chmodSync(playground.directory, 0o777);
  give(playground.directory);
  for (const conditions of ALL ? [...COMBINED, ...EACH] : COMBINED) {
    for (const args of COMMANDS) {
      const { code, out, err } = await run(playground, conditions, args);
      const what = `${conditions.join('+')}: varve ${args.join(' ')}: ${code}\n${out}${err}`;
      assert.ok(EXPECTED.has(code) || (args[0] === 'mount' && code === 124), what);
      assert.doesNotMatch(err, /^ {4}at |node:internal|Node\.js v/m, what);
      if (code === 1 && !conditions.includes('stderr'))
        assert.equal(err.split('\n').filter((line) => line.startsWith('Fatal: ')).length, 1, what);
      if (code !== 0 && !ALL) assert.equal(args[0], 'check', what);
    }
  }
});

test('varve explains in one line when the limit of open files is too small', { skip }, async () => {
  const playground = await prepared();
  for (const limit of [40, 24]) {
    const script = `ulimit -n ${limit}; exec "$@"`;
    const words = [process.execPath, MAIN, 'backup', playground.path('source')];
    const { code, err } = await outcome(spawn('sh', ['-c', script, 'sh', ...words], { env: playground.env }));
    if (code === 0) continue;
    assert.equal(code, 1, err);
    assert.match(err, /^Fatal: .*too many open files.*ulimit -n 1024.*\n$/);
  }
});

test('varve needs a working directory only for relative paths', { skip }, async () => {
  const playground = await prepared();
  const restored = await run(playground, ['cwd'], ['restore', 'latest', '--target', '$/restored']);
  assert.equal(restored.code, 0, restored.err);
  for (const args of [
    ['restore', 'latest', '--target', 'relative'],
    ['backup', 'relative'],
    ['snapshots', '-r', 'relative'],
    ['init', '-r', 'relative'],
  ]) {
    const { code, err } = await run(playground, ['cwd'], args);
    assert.equal(code, 1);
    assert.match(
      err,
      /^Fatal: relative: the working directory of this relative path was removed: give an absolute path$/m,
    );
  }
});
