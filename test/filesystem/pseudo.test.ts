import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { pseudoFileSystem } from '../../src/filesystem/pseudo.js';
import { scratchDirectory } from './scratch.js';

const ordinary = Buffer.from(scratchDirectory());
const at = (path: string, wholeSystem: boolean) => pseudoFileSystem(Buffer.from(path), ordinary, wholeSystem);

test('what a running system makes up is left out by its place only when all of it is backed up', () => {
  assert.equal(at('/run', true), 'its place: /run is of the running system');
  assert.equal(at('/run', false), undefined);
  for (const path of ['/srv', '/run/user', '/home/run']) assert.equal(at(path, true), undefined, path);
});

test('what cannot be looked at is not taken for one of the kernel', () => {
  assert.equal(pseudoFileSystem(Buffer.from('/srv'), Buffer.from('/nowhere/at/all'), false), undefined);
});
