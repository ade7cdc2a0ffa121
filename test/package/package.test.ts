import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isBundled } from '../cli/main-program.js';

const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'varve-package-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const noBundle = isBundled() ? false : 'build/ has modules that the bundle lacks: `npm run build` first';
/** Asks npm's registry for what varve depends on. */
const noRegistry = process.env.VARVE_PACKAGE_TESTS === 'all' ? noBundle : '`npm run test:package` does it';

let packed: string | undefined;

/** The package's file. */
function pack(): string {
  packed ??= packNow();
  return packed;
}

function packNow(): string {
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: PROJECT });
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) as string);
}

/** Puts the package where `npm install --global --prefix` puts it, with copies of what it depends on. */
function install(archive: string, prefix: string): void {
  const modules = join(prefix, 'lib/node_modules');
  const home = join(modules, 'varve');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '-C', home, '--strip-components=1']);
  const listed = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: PROJECT, encoding: 'utf8' });
  for (const path of listed.split('\n').slice(1)) {
    if (path !== '') cpSync(path, join(home, relative(PROJECT, path)), { recursive: true });
  }
  const { bin } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { bin: { varve: string } };
  mkdirSync(join(prefix, 'bin'));
  symlinkSync(relative(join(prefix, 'bin'), join(home, bin.varve)), join(prefix, 'bin/varve'));
}

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
  const prefix = join(folder, 'copied');
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
  const prefix = join(folder, 'installed');
  mkdirSync(prefix);
  const args = ['install', '--global', '--prefix', prefix, '--no-audit', '--no-fund', pack()];
  execFileSync('npm', args, { cwd: folder, stdio: 'ignore' });
  backUpAndRestore(prefix);
});
