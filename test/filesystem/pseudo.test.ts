import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { pseudoFileSystem } from '../../src/filesystem/pseudo.js';
import { scratchDirectory } from './scratch.js';

const ordinary = Buffer.from(scratchDirectory());
const at = (path: string, wholeSystem: boolean) => pseudoFileSystem(Buffer.from(path), ordinary, wholeSystem);

test('a directory of runtime files is left out only when the whole system is backed up', () => {
  assert.equal(at('/run', true), 'its place: /run is of the running system');
  assert.equal(at('/run', false), undefined);
  for (const path of ['/srv', '/run/user', '/home/run']) assert.equal(at(path, true), undefined, path);
});

test('a path that cannot be examined does not count as a kernel file system', () => {
  assert.equal(pseudoFileSystem(Buffer.from('/srv'), Buffer.from('/nowhere/at/all'), false), undefined);
});
