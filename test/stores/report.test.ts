import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasons, summary, table } from './report.js';

const TAP = [
  'TAP version 13',
  'ok 1 - whole',
  '    # fail 7',
  'not ok 2 - broken',
  'ok 3 - left out # SKIP s3 has no files',
  'ok 4 - left out too # SKIP s3 has no files',
  '# tests 5',
  '# pass 1',
  '# fail 1',
  '# cancelled 1',
  '# skipped 2',
];

test('the report reads TAP’s counts, and counts cancelled tests as failed', () => {
  assert.deepEqual(summary(TAP), { tests: 5, pass: 1, fail: 2, skipped: 2 });
  assert.deepEqual(reasons(TAP), ['skipped 2: s3 has no files']);
});

test('a run without counts has failed', () => {
  assert.equal(summary(TAP.slice(0, 6)).fail, 1);
});

test('the report has a line for each store', () => {
  const counts = { ...summary(TAP), minutes: 1.25 };
  assert.deepEqual(
    table([
      ['s3', counts],
      ['sftp', 'no sshd'],
    ])
      .split('\n')
      .map((line) => line.trimEnd().split(/ {2,}/)),
    [
      ['store', 'tests', 'pass', 'fail', 'skipped', 'minutes'],
      ['s3', '5', '1', '2', '2', '1.3'],
      ['sftp', 'left out'],
    ],
  );
});
