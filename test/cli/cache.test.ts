import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { Playground } from './varve.js';

const SOMEBODY_ELSE = 12345;
const asRoot = process.getuid?.() === 0 ? false : 'only root can give files to another user';

async function used(): Promise<{ playground: Playground; cache: string }> {
  const playground = new Playground();
  await playground.ok(['init']);
  await playground.ok(['backup', playground.files('source', { a: 'a' })]);
  await playground.ok(['snapshots']);
  return { playground, cache: playground.path('cache', 'varve') };
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && !each.parentPath.includes('/code'))
    .map((each) => join(each.parentPath, each.name));
}

const warnings = (err: string): string[] => err.split('\n').filter((line) => line.startsWith('Warning: '));

test('varve overwrites nothing when a file of its cache is a link', async () => {
  const { playground, cache } = await used();
  const victim = playground.path('victim');
  writeFileSync(victim, 'precious');
  const files = filesBelow(cache);
  assert.ok(files.some((each) => dirname(each).endsWith('last-key')));
  for (const each of files) {
    rmSync(each);
    symlinkSync(victim, each);
  }
  const { err } = await playground.ok(['snapshots']);
  assert.equal(warnings(err).length, 1, err);
  assert.match(err, /the cache is not used: .* is a symbolic link; use another directory with --cache-dir/);
  await playground.ok(['backup', playground.path('source')]);
  assert.equal(readFileSync(victim, 'utf8'), 'precious');
});

test('varve goes on when every file of its cache is a FIFO or leads to an endless device', async () => {
  const { playground, cache } = await used();
  for (const spoil of [
    (each: string) => execFileSync('mkfifo', [each]),
    (each: string) => symlinkSync('/dev/zero', each),
  ]) {
    for (const each of filesBelow(cache)) {
      rmSync(each);
      spoil(each);
    }
    const { err } = await playground.ok(['ls', 'latest']);
    assert.equal(warnings(err).length, 1, err);
  }
});

test('varve warns once and goes without a cache when others can write to it', async () => {
  const { playground, cache } = await used();
  chmodSync(cache, 0o777);
  const before = filesBelow(cache).map((each) => [each, statSync(each).mtimeMs]);
  const { err } = await playground.ok(['backup', playground.files('source', { b: 'b' })]);
  assert.match(
    err,
    /^Warning: the cache is not used: .*cache\/varve can be written by other users \(mode 0777; chmod go-w/,
  );
  assert.equal(warnings(err).length, 1);
  assert.deepEqual(
    filesBelow(cache).map((each) => [each, statSync(each).mtimeMs]),
    before,
  );
  assert.equal((await playground.ok(['snapshots', '--no-cache'])).err, '');
});

test('varve creates nothing in the home of another user', { skip: asRoot }, async () => {
  const { playground } = await used();
  const home = playground.path('home');
  mkdirSync(home);
  chownSync(home, SOMEBODY_ELSE, SOMEBODY_ELSE);
  const { err } = await playground.ok(['snapshots'], { env: { HOME: home, XDG_CACHE_HOME: undefined } });
  assert.match(err, /^Warning: the cache is not used: .*home belongs to another user \(uid 12345\)/);
  assert.deepEqual(readdirSync(home), []);
});

test('varve ignores a relative XDG_CACHE_HOME', async () => {
  const { playground } = await used();
  const home = playground.path('home');
  mkdirSync(home);
  await playground.ok(['snapshots'], { env: { HOME: home, XDG_CACHE_HOME: 'relative' } });
  assert.ok(existsSync(join(home, '.cache', 'varve')));
  assert.ok(!existsSync(playground.path('relative')));
});

test('backup --exclude-caches leaves out its own cache, but not a directory that --cache-dir names', async () => {
  const playground = new Playground();
  const home = playground.files('home', { file: 'a' });
  await playground.ok(['init']);
  for (let round = 0; round < 2; round++)
    await playground.ok(['backup', home, '--exclude-caches', '--cache-dir', home]);
  const { out } = await playground.ok(['ls', 'latest', home, '--recursive']);
  assert.match(out, /\/home\/file$/m);
  assert.equal(out.match(/\/CACHEDIR\.TAG$/gm)?.length, 2, out);
  assert.doesNotMatch(out, /slot-|\/(index|snapshots|data)$/m);
});
