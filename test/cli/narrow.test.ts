import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Table } from '../../src/cli/text/table.js';
import { counted } from '../../src/cli/text/units.js';
import { wrap } from '../../src/cli/text/wrap.js';
import { runInProcess } from './in-process.js';
import { Playground } from './varve.js';

const ESCAPE = String.fromCharCode(27);

const widest = (lines: readonly string[]): number => Math.max(...lines.map((line) => [...line].length));
const words = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

test('wrap breaks between words, and keeps what is lined up by spaces', () => {
  assert.deepEqual(wrap('short', 40), ['short']);
  assert.deepEqual(wrap('one two three four five six seven', 20), ['one two three four', 'five six seven']);
  assert.deepEqual(wrap('  indented, and too long for it', 20), ['  indented, and too', '    long for it']);
  assert.deepEqual(wrap('Files:  one two three four five', 30), ['Files:  one two three four', '        five']);
  assert.deepEqual(wrap('a_word_that_is_longer_than_the_line', 20), ['a_word_that_is_longer_than_the_line']);
});

const table = new Table(['ID', 'Time', 'Paths', 'Size'], [3]);
table.add('3095c4dc', '2026-11-30 22:01:09', ['/home/anna/Documents/letters/of/the/year', '/etc'], '1.676 MiB');
table.add('48f53f11', '2026-11-30 22:01:13', ['/srv'], '12 B');

test('a table is as wide as it must be when nothing limits it', () => {
  assert.equal(widest(table.lines('2 snapshots')), 82);
  assert.deepEqual(table.lines('2 snapshots', 82), table.lines('2 snapshots'));
});

test('a table folds its widest column when the terminal is narrower', () => {
  assert.deepEqual(table.lines('2 snapshots', 65), [
    'ID        Time                 Paths                         Size',
    '-----------------------------------------------------------------',
    '3095c4dc  2026-11-30 22:01:09  /home/anna/Documents/    1.676 MiB',
    '                               letters/of/the/year',
    '                               /etc',
    '48f53f11  2026-11-30 22:01:13  /srv                          12 B',
    '-----------------------------------------------------------------',
    '2 snapshots',
  ]);
});

test('a table becomes a list when its words do not fit beside each other', () => {
  assert.deepEqual(table.lines('2 snapshots', 30), [
    'ID     3095c4dc',
    'Time   2026-11-30 22:01:09',
    'Paths  /home/anna/Documents/',
    '       letters/of/the/year',
    '       /etc',
    'Size   1.676 MiB',
    '',
    'ID     48f53f11',
    'Time   2026-11-30 22:01:13',
    'Paths  /srv',
    'Size   12 B',
    '',
    '2 snapshots',
  ]);
});

test('tables and messages fit the terminal, and are whole in a pipe', async () => {
  const play = new Playground();
  const source = play.files('source of a rather long name/with folders', { file: 'text' });
  const env = play.env;
  for (const args of [
    ['init'],
    ['backup', source],
    ['snapshots'],
    ['key', 'list'],
    ['unlock'],
    ['forget', '--keep-last', '1'],
    ['check'],
    ['prune'],
  ]) {
    const narrow = await runInProcess(args, env, { columns: 40, isTTY: true });
    assert.equal(narrow.code, 0, narrow.err);
    // What is drawn again and again is cut instead.
    const shown = narrow.out.split(new RegExp(`\n|\r|${ESCAPE}\\[[0-9]*[A-Z]`));
    for (const line of shown) assert.ok([...line].length <= 40 || !line.trim().includes(' '), line);
  }
  const one = await runInProcess(['snapshots'], env);
  assert.match(one.out, /^1 snapshot$/m);
  assert.ok(widest(one.out.split('\n')) > 80);
  const failed = await runInProcess(['snapshots', 'ffffffff'], env, { columns: 40, isTTY: true });
  assert.ok(widest(failed.err.split('\n')) <= 40, failed.err);
  const piped = await runInProcess(['snapshots', 'ffffffff'], env);
  assert.equal(words(failed.err), words(piped.err));
});

test('counted names one thing without an s', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'snapshot')),
    ['0 snapshots', '1 snapshot', '2 snapshots'],
  );
});
