import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { directory, install, PROJECT, pack } from './installed.js';

const PASSWORD = 'a password';

describe('the programs of docs/library.md, with the packed package', () => {
  const prefix = join(directory, 'library');
  // Where the package's name leads to it: beside node_modules.
  const home = join(prefix, 'lib');
  const repository = join(directory, 'repository');
  const source = join(directory, 'source');
  let programs: readonly string[] = [];

  before(() => {
    install(pack(), prefix);
    mkdirSync(source);
    writeFileSync(join(source, 'letter'), 'Dear Anna');
    writeFileSync(join(source, 'draft.tmp'), 'left out');
    programs = compile(home);
  });

  /** Runs the program with this title. */
  function run(title: string, ...args: string[]): string {
    const path = programs.find((each) => each.endsWith(`/${fileName(title)}.js`));
    assert.ok(path !== undefined, `no program "${title}"`);
    const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], { encoding: 'utf8', cwd: home });
    assert.equal(status, 0, `${title}: ${stdout}${stderr}`);
    assert.equal(stderr, '', title);
    return stdout;
  }

  test('a program backs up twice, forgets and prunes', () => {
    const title = 'Back up, keep what a policy says, remove the rest';
    const said = run(title, repository, PASSWORD, source);
    assert.match(said, /^snapshot [0-9a-f]{64}: 1 files, 0 errors\n0 packs condemned, 0 deleted\n$/);
    writeFileSync(join(source, 'letter'), 'Dear Anna, dear Ben');
    assert.match(run(title, repository, PASSWORD, source), /1 files, 0 errors/);
  });

  test('a program restores a path with progress', () => {
    const target = join(directory, 'restored');
    const said = run('Restore, with progress', repository, PASSWORD, target, join(source, 'letter'));
    assert.match(said, /19 of 19 bytes\n1 files restored, 0 errors\n$/);
    assert.equal(readFileSync(join(target, 'letter'), 'utf8'), 'Dear Anna, dear Ben');
  });

  test('a program prints the end of a file', () => {
    assert.equal(run('Read a part of a file', repository, PASSWORD, join(source, 'letter'), '8'), 'dear Ben');
  });

  test('a program stores a stream', () => {
    run('Store a stream', repository, PASSWORD, '/dump.sql', 'printf', 'create table %s', 'a');
    assert.equal(run('Read a part of a file', repository, PASSWORD, '/dump.sql', '100'), 'create table a');
  });

  test('a program checks the repository', () => {
    assert.match(run('Check', repository, PASSWORD), /^3 snapshots, \d+ packs read, 0 problems\n$/);
  });

  test('a program serves a repository and uses it', () => {
    const root = join(directory, 'served');
    mkdirSync(root);
    assert.match(run('Serve repositories', root, PASSWORD, join(source, 'letter')), / has 1 file\n$/);
  });
});

const fileName = (title: string): string => title.toLowerCase().replace(/\W+/g, '-');

/** Compiles the programs, strictly. @returns their files */
function compile(home: string): string[] {
  const text = readFileSync(join(PROJECT, 'docs/library.md'), 'utf8');
  const found = [...text.matchAll(/^## (.+)$[^#]*?^```ts\n(import[\s\S]*?)^```$/gm)];
  assert.equal(found.length, 6);
  const files = found.map(([, title = '', code = '']) => {
    writeFileSync(join(home, `${fileName(title)}.ts`), code);
    return join(home, `${fileName(title)}.js`);
  });
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }\n');
  const options = { module: 'nodenext', target: 'es2022', lib: ['es2023', 'esnext.disposable'], strict: true };
  const types = { typeRoots: [join(PROJECT, 'node_modules/@types')], types: ['node'] };
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...options, ...types } }));
  const { status, stdout } = spawnSync(join(PROJECT, 'node_modules/.bin/tsc'), ['-p', home], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  return files;
}
