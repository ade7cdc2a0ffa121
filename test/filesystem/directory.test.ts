import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { closeSync, constants, mkdirSync, openSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Directory, namesAt } from '../../src/filesystem/directory.js';
import { NameList } from '../../src/filesystem/name-list.js';
import { lstat } from '../../src/filesystem/stat.js';
import { joinPath } from '../../src/format/path.js';
import { scratchDirectory } from './scratch.js';

const base = scratchDirectory();
const text = (names: Iterable<Buffer>): string[] => Array.from(names, (name) => name.toString('latin1'));

function namesOf(path: string): string[] {
  const directory = Directory.open(Buffer.from(path));
  try {
    return text(directory.names());
  } finally {
    directory.close();
  }
}

test('names lists a directory in byte order when one kernel call does not return all', () => {
  const path = join(base, 'many');
  mkdirSync(path);
  assert.deepEqual(namesOf(path), []);
  const odd = ['...', '..a', '.a', 'a', '\xff\xfe', 'x'.repeat(255)];
  const expected = [...odd, ...Array.from({ length: 3000 }, (_, i) => `file ${i} ${'y'.repeat(i % 200)}`)];
  for (const name of expected) writeFileSync(Buffer.from(`${path}/${name}`, 'latin1'), '');
  expected.sort();
  assert.deepEqual(namesOf(path), expected);
  const descriptor = openSync(path, constants.O_RDONLY);
  for (let i = 0; i < 2; i++) assert.deepEqual(text(namesAt(descriptor)).sort(), expected, 'any number of times');
  closeSync(descriptor);
});

test('names keeps a name once when the kernel returns it twice', () => {
  const told = ['b', 'a', 'b', 'bb', 'a', 'b', '', 'c'].map((name) => Buffer.from(name));
  const names = NameList.of(told);
  assert.deepEqual(text(names), ['', 'a', 'b', 'bb', 'c']);
  assert.equal(names.length, 5);
});

test('an open directory reaches its entries by name when its path changes', () => {
  const path = join(base, 'moved');
  mkdirSync(path);
  writeFileSync(join(path, 'file'), '12345');
  symlinkSync('a target', join(path, 'link'));
  const directory = Directory.open(Buffer.from(path));
  rmSync(path, { recursive: true });
  assert.throws(() => directory.lstat(Buffer.from('file')), { code: 'ENOENT' });
  directory.close();
  mkdirSync(path);
  writeFileSync(join(path, 'file'), '12345');
  symlinkSync('a target', join(path, 'link'));
  for (const opened of [Directory.open(Buffer.from(path)), Directory.unopened(Buffer.from(path))]) {
    assert.deepEqual(text(opened.names()), ['file', 'link']);
    assert.deepEqual(opened.lstat(Buffer.from('file')), lstat(Buffer.from(join(path, 'file'))));
    assert.equal(opened.readlink(Buffer.from('link')).toString(), 'a target');
    assert.throws(() => opened.readlink(Buffer.from('file')), { code: 'EINVAL' });
    opened.close();
  }
});

test('a link does not stand for the folder that it points to', () => {
  mkdirSync(join(base, 'folder'));
  symlinkSync('folder', join(base, 'to folder'));
  assert.throws(() => Directory.open(Buffer.from(join(base, 'to folder'))), { code: 'ENOTDIR' });
  assert.throws(() => Directory.open(Buffer.from(join(base, 'nowhere'))), { code: 'ENOENT' });
});

test('a path below the root has one slash', () => {
  assert.equal(joinPath(Buffer.from('/'), Buffer.from('a')).toString(), '/a');
  assert.equal(joinPath(Buffer.from('/a'), Buffer.from('b')).toString(), '/a/b');
  assert.ok(readdirSync('/').every((name) => namesOf('/').includes(Buffer.from(name).toString('latin1'))));
});
