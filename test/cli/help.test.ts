import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMANDS } from '../../src/cli/program/commands.js';
import { runInProcess } from './in-process.js';

const PAGES = [
  [],
  ...Object.keys(COMMANDS).map((name) => [name]),
  ...['add', 'list', 'passwd', 'remove', 'rotate'].map((name) => ['key', name]),
  ...['index', 'packs', 'snapshots'].map((name) => ['repair', name]),
];
const WIDTHS = [40, 80, 120];

const words = (text: string): string => text.replaceAll(/\s+/g, ' ');

for (const page of PAGES) {
  const name = ['varve', ...page].join(' ');
  test(`the help of ${name} fits 40, 80 and 120 columns, and breaks no word`, async () => {
    const texts = [];
    for (const columns of WIDTHS) {
      const { code, out } = await runInProcess([...page, '--help'], {}, { columns });
      assert.equal(code, 0);
      for (const line of out.split('\n')) {
        assert.ok([...line].length <= columns || !line.trim().includes(' '), `${columns} columns: ${line}`);
      }
      texts.push(words(out));
    }
    assert.deepEqual(texts[0], texts[2]);
    assert.deepEqual(texts[1], texts[2]);
  });
}

test('the help groups commands by what people come for, and has the global options and exit code 11', async () => {
  const { out } = await runInProcess(['--help'], {});
  const headings = [...out.matchAll(/^([A-Z][a-z ]+):$/gm)].map(([, heading]) => heading);
  assert.deepEqual(headings.slice(0, 3), ['Begin with', 'Every day', 'Get files back']);
  assert.deepEqual(headings.slice(-3), ['Other', 'Global options', 'Options']);
  assert.ok(!headings.includes('Commands'));
  assert.match(words(out), /; 11 another command holds the repository;/);
});

test('the help of a command has its own options, and of the global ones a line', async () => {
  const { out } = await runInProcess(['snapshots', '--help'], {});
  assert.match(out, /--group-by/);
  assert.doesNotMatch(out, /--tls-client-cert/);
  assert.equal(out.match(/^Global options/gm)?.length, 1);
});
