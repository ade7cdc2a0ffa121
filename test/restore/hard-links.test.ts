import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { EntryReader } from '../../src/format/entry-reader.js';
import { HardLinks } from '../../src/restore/hard-links.js';

const entry = (inode: number, links: number, device = 1): EntryReader => ({ device, inode, links }) as EntryReader;

test('HardLinks forgets a file after its last name', () => {
  const links = new HardLinks();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => Buffer.from(name)) as [Buffer, Buffer, Buffer];
  assert.equal(links.firstOf(a, entry(7, 2)), undefined);
  assert.equal(links.firstOf(c, entry(8, 3)), undefined);
  assert.equal(links.firstOf(b, entry(7, 2)), a);
  assert.equal(links.firstOf(c, entry(7, 2)), undefined, 'a third name of two begins anew');
  assert.equal(links.firstOf(a, entry(8, 3)), c);
});

test('HardLinks distinguishes equal inodes on two devices', () => {
  const links = new HardLinks();
  const [a, b] = [Buffer.from('a'), Buffer.from('b')];
  assert.equal(links.firstOf(a, entry(7, 2, 1)), undefined);
  assert.equal(links.firstOf(b, entry(7, 2, 2)), undefined);
});

test('HardLinks returns each link once', () => {
  const links = new HardLinks();
  const name = { path: Buffer.from('b'), to: Buffer.from('a'), size: 1 };
  links.add(name);
  assert.equal(links.size, 1);
  assert.deepEqual(links.take(), [name]);
  assert.deepEqual(links.take(), []);
});
