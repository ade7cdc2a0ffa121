import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Speed } from '../../src/cli/terminal/progress.js';
import { cutPath, cutToWidth, displayWidth } from '../../src/cli/text/width.js';

test('Speed estimates nothing when the work has just begun', () => {
  const speed = new Speed();
  speed.add(0, 0);
  speed.add(30, 0);
  speed.add(30.1, 1);
  speed.add(31, 1000);
  assert.equal(speed.estimate(1e12), undefined);
  speed.add(33, 3_000_000);
  assert.ok((speed.estimate(3_000_000) ?? 0) > 1);
});

test('Speed estimates nothing when next to nothing moves', () => {
  const speed = new Speed();
  for (let second = 0; second < 10; second++) speed.add(second, 1 + second);
  assert.equal(speed.estimate(1e12), undefined);
});

test('Speed leaves out the wait when bytes come late', () => {
  const speed = new Speed();
  for (let second = 0; second < 4; second++) speed.add(second, 0);
  speed.add(4, 1_000_000);
  assert.equal(speed.add(5, 2_000_000), 1_000_000);
});

test('displayWidth counts two columns when a character is wide', () => {
  assert.equal(displayWidth('日本語.txt'), 10);
  assert.equal(displayWidth('e\u0301'), 1);
  assert.equal(cutToWidth('日本語', 5), '日本');
});

test('cutPath keeps the end of a path when it does not fit', () => {
  assert.equal(cutPath('/home/anna/letter.odt', 12), '…/letter.odt');
  assert.equal(cutPath('/a/b', 12), '/a/b');
  assert.equal(cutPath('/home/日本語', 6), '…本語');
});
