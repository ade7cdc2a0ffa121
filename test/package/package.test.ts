import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isBundled } from '../cli/main-program.js';
import { directory, install, pack } from './installed.js';

const noBundle = isBundled() ? false : 'build/ has modules that the bundle lacks: `npm run build` first';
/** Asks npm's registry for what varve depends on. */
const noRegistry = process.env.VARVE_PACKAGE_TESTS === 'all' ? noBundle : '`npm run test:package` does it';

function backUpAndRestore(prefix: string): void {
  const source = join(prefix, 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'letter'), 'Dear Anna');
  writeFileSync(join(source, 'large'), Buffer.alloc(3_000_000, 'varve'));
  const varve = (...args: string[]): void => {
    const { status, stdout, stderr } = spawnSync(join(prefix, 'bin/varve'), args, {
      cwd: prefix,
      encoding: 'utf8',
      env: {
        PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
        XDG_CACHE_HOME: join(prefix, 'cache'),
        VARVE_REPOSITORY: join(prefix, 'repository'),
        VARVE_PASSWORD: 'password',
      },
    });
    assert.equal(status, 0, `varve ${args.join(' ')}: ${stdout}${stderr}`);
  };
  varve('init', '--parity', '5');
  varve('backup', source);
  varve('check', '--read-data');
  varve('restore', 'latest', '--target', join(prefix, 'restored'));
  for (const name of ['letter', 'large']) {
    assert.deepEqual(readFileSync(join(prefix, 'restored', source, name)), readFileSync(join(source, name)));
  }
}

test('the packed package backs up and restores when it is far from the clone', { skip: noBundle }, () => {
  const prefix = join(directory, 'copied');
  install(pack(), prefix);
  backUpAndRestore(prefix);
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', "import { openRepository } from 'varve'; openRepository.name;"],
    { cwd: join(prefix, 'lib'), encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
});

test('the packed package has one program, and no tests', { skip: noBundle }, () => {
  const listed = execFileSync('tar', ['-tzf', pack()], { encoding: 'utf8' }).split('\n');
  const programs = new Set(listed.map((path) => /^package\/build\/program\/([^/]+)\//.exec(path)?.[1]));
  assert.equal([...programs].filter((name) => name !== undefined).length, 1);
  assert.ok(!listed.some((path) => path.includes('build/test') || path.includes('build/bench')));
});

test('npm installs the packed package, which backs up and restores', { skip: noRegistry, timeout: 300_000 }, () => {
  const prefix = join(directory, 'installed');
  mkdirSync(prefix);
  const args = ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', pack()];
  execFileSync('npm', args, { cwd: directory, stdio: 'ignore' });
  backUpAndRestore(prefix);
});
