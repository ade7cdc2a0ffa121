import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CacheDirectory } from '../../src/storage/cached/cache-directory.js';

const SOMEBODY_ELSE = 12345;
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'varve-hostile-cache-')));
after(() => rmSync(scratch, { recursive: true, force: true }));
let number = 0;
const asRoot = process.getuid?.() === 0 ? false : 'only root can give files to another user';

interface Opened {
  readonly path: string;
  readonly problems: string[];
  readonly open: () => CacheDirectory | undefined;
}

function fresh(mode = 0o700): Opened {
  const path = join(scratch, String(number++));
  mkdirSync(path, { mode });
  chmodSync(path, mode);
  const problems: string[] = [];
  return { path, problems, open: () => CacheDirectory.open(path, (problem) => problems.push(problem)) };
}

test('a cache writes and reads what is below a directory that does not exist yet', () => {
  const path = join(scratch, 'new', 'cache');
  const directory = CacheDirectory.open(path)?.within('a').within('b');
  directory?.write('name', [Buffer.from('one'), Buffer.from('two')]);
  assert.equal(String(directory?.read('name', 6)), 'onetwo');
  assert.equal(directory?.read('name', 5), undefined);
  assert.deepEqual(directory?.names(), ['name']);
  assert.equal(lstatSync(path).mode & 0o777, 0o700);
  assert.equal(lstatSync(join(path, 'a', 'b', 'name')).mode & 0o777, 0o600);
  directory?.remove('name');
  assert.deepEqual(readdirSync(join(path, 'a', 'b')), []);
});

test('a cache is refused when others can write to its directory', () => {
  for (const mode of [0o777, 0o770, 0o1777]) {
    const { path, problems, open } = fresh(mode);
    assert.equal(open(), undefined);
    assert.match(problems.join(), new RegExp(`^${path} can be written by other users .*chmod go-w ${path}`));
  }
});

test('a cache is refused when others can write to a directory above it, unless that is sticky', () => {
  const { path, problems } = fresh(0o777);
  const open = (): CacheDirectory | undefined =>
    CacheDirectory.open(join(path, 'varve'), (problem) => problems.push(problem));
  assert.equal(open(), undefined);
  assert.equal(problems.length, 1);
  chmodSync(path, 0o1777);
  assert.notEqual(open(), undefined);
});

test('a cache is refused when it or a directory above it belongs to another user', { skip: asRoot }, () => {
  const { path, problems, open } = fresh();
  chownSync(path, SOMEBODY_ELSE, SOMEBODY_ELSE);
  assert.equal(open(), undefined);
  assert.equal(
    CacheDirectory.open(join(path, '.cache', 'varve'), (each) => problems.push(each)),
    undefined,
  );
  assert.deepEqual(problems, new Array(2).fill(`${path} belongs to another user (uid ${SOMEBODY_ELSE})`));
  assert.deepEqual(readdirSync(path), []);
});

test('a cache follows a link to its directory and checks the target', () => {
  const { path, open } = fresh();
  mkdirSync(join(scratch, 'elsewhere'), { mode: 0o700 });
  rmSync(path, { recursive: true });
  symlinkSync(join(scratch, 'elsewhere'), path);
  assert.equal(open()?.path, join(scratch, 'elsewhere'));
  chmodSync(join(scratch, 'elsewhere'), 0o777);
  assert.equal(open(), undefined);
});

test('a cache neither follows nor writes through links, and warns once', () => {
  const { path, problems, open } = fresh();
  const outside = join(scratch, 'outside');
  mkdirSync(join(outside, 'directory'), { recursive: true });
  writeFileSync(join(outside, 'file'), 'precious');
  symlinkSync(join(outside, 'file'), join(path, 'file'));
  symlinkSync(join(outside, 'directory'), join(path, 'directory'));
  const directory = open();
  assert.equal(directory?.read('file', 100), undefined);
  directory?.within('directory').write('new', [Buffer.from('x')]);
  directory?.write('file', [Buffer.from('mine')]);
  assert.deepEqual(problems, [`${path}/file is a symbolic link`]);
  assert.deepEqual(readdirSync(join(outside, 'directory')), []);
  assert.equal(readFileSync(join(outside, 'file'), 'utf8'), 'precious');
  assert.equal(String(directory?.read('file', 100)), 'mine');
});

test('a cache neither waits for a FIFO nor reads a device or a file that is too large', () => {
  const { path, problems, open } = fresh();
  const directory = open();
  execFileSync('mkfifo', [join(path, 'fifo')]);
  symlinkSync('/dev/zero', join(path, 'zero'));
  writeFileSync(join(path, 'huge'), '');
  execFileSync('truncate', ['--size=1T', join(path, 'huge')]);
  mkdirSync(join(path, 'directory'));
  for (const name of ['fifo', 'zero', 'huge', 'directory']) assert.equal(directory?.read(name, 1000), undefined, name);
  assert.deepEqual(problems, [`${path}/fifo is not a regular file`]);
});

test('a cache refuses files and directories that other users own or can write', { skip: asRoot }, () => {
  for (const spoil of [(each: string) => chownSync(each, SOMEBODY_ELSE, 0), (each: string) => chmodSync(each, 0o777)]) {
    const { path, problems, open } = fresh();
    open()
      ?.within('directory')
      .write('file', [Buffer.from('x')]);
    open()?.write('file', [Buffer.from('x')]);
    spoil(join(path, 'directory'));
    spoil(join(path, 'file'));
    const directory = open();
    assert.equal(directory?.read('file', 10), undefined);
    assert.equal(directory?.within('directory').read('file', 10), undefined);
    directory?.within('directory').write('other', [Buffer.from('y')]);
    assert.deepEqual(readdirSync(join(path, 'directory')), ['CACHEDIR.TAG', 'file']);
    assert.equal(problems.length, 1);
  }
});
