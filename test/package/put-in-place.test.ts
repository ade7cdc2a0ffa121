import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const { keepEarlier, putInPlace } = (await import(join(PROJECT, 'scripts/put-in-place.mjs'))) as {
  keepEarlier(old: string, fresh: string): string[];
  putInPlace(fresh: string, target: string): void;
};
const directory = mkdtempSync(join(tmpdir(), 'varve-build-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Reads a file over and over; ends at a line on standard input, with 1 when the file was missing once. */
const READER = `
  const { existsSync } = require('node:fs');
  let missing = 0;
  let ended = false;
  process.stdin.on('data', () => { ended = true; });
  const look = () => {
    for (let i = 0; i < 1000; i++) if (!existsSync(process.argv[1])) missing++;
    if (ended) process.exit(missing > 0 ? 1 : 0);
    setImmediate(look);
  };
  process.stdout.write('ready');
  look();`;

test('a new build replaces the old one without a gap', async () => {
  const target = join(directory, 'build');
  const make = (name: string): string => {
    const path = join(directory, name);
    mkdirSync(path);
    writeFileSync(join(path, 'varve.cjs'), name);
    return path;
  };
  putInPlace(make('first'), target);
  const reader = spawn(process.execPath, ['-e', READER, join(target, 'varve.cjs')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(reader.stdout, 'data');
  for (let round = 0; round < 300; round++) putInPlace(make(`round-${round}`), target);
  reader.stdin.end('end\n');
  assert.deepEqual(await once(reader, 'exit'), [0, null]);
  assert.equal(readFileSync(join(target, 'varve.cjs'), 'utf8'), 'round-299');
  assert.deepEqual(readdirSync(directory), ['build']);
});

test('a new build keeps the programs of the ten builds before it', () => {
  const old = join(directory, 'old');
  for (let day = 10; day < 22; day++) mkdirSync(join(old, `202611${day}`), { recursive: true });
  writeFileSync(join(old, '20261121/lazy.js'), 'loaded later');
  writeFileSync(join(old, '.npmignore'), '/20261120/');
  const kept = keepEarlier(old, join(directory, 'fresh'));
  assert.equal(kept.length, 10);
  assert.deepEqual(readdirSync(join(directory, 'fresh')), kept);
  assert.equal(readFileSync(join(directory, 'fresh/20261121/lazy.js'), 'utf8'), 'loaded later');
  assert.deepEqual(keepEarlier(join(directory, 'none'), join(directory, 'fresh')), []);
});

const skip = process.env.VARVE_PACKAGE_TESTS === 'all' ? false : '`npm run test:package` does it';

test('varve starts at any time during builds, and a running one finds the modules that it loads late', {
  skip,
  timeout: 900_000,
}, async () => {
  const clone = join(directory, 'clone');
  for (const name of ['src', 'test', 'bench', 'wasm', 'scripts', 'package.json', 'tsconfig.json', 'build']) {
    cpSync(join(PROJECT, name), join(clone, name), { recursive: true });
  }
  symlinkSync(join(PROJECT, 'node_modules'), join(clone, 'node_modules'));
  const varve = async (...args: string[]): Promise<unknown> =>
    (await once(spawn(process.execPath, [join(clone, 'build/varve.cjs'), ...args], { stdio: 'ignore' }), 'exit'))[0];
  // Loads its store and what reads passwords only when a first line of its input names them.
  const env = {
    ...process.env,
    VARVE_REPOSITORY: join(directory, 'repository'),
    XDG_CACHE_HOME: join(directory, 'cache'),
  };
  const waiting = spawn(
    process.execPath,
    [
      join(clone, 'build/varve.cjs'),
      'init',
      '--password-command',
      `sh -c 'while [ ! -e ${directory}/go ]; do sleep 0.1; done; echo password'`,
    ],
    { env, stdio: 'ignore' },
  );
  const ended = once(waiting, 'exit');
  let builds = 0;
  const building = (async () => {
    for (; builds < 2; builds++) {
      assert.deepEqual(await once(spawn('npm', ['run', 'build'], { cwd: clone, stdio: 'ignore' }), 'exit'), [0, null]);
    }
  })();
  for (let runs = 0; builds < 2 && runs < 100_000; runs++) assert.equal(await varve('version'), 0);
  await building;
  writeFileSync(join(directory, 'go'), '');
  assert.deepEqual(await ended, [0, null]);
  assert.ok(existsSync(join(directory, 'repository/config')));
});
