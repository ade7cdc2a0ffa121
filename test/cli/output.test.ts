import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Output } from '../../src/cli/terminal/output.js';

/** What a stream was given. */
function stream(isTTY: boolean): { readonly written: string[]; readonly stream: NodeJS.WriteStream } {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  return { written, stream: { isTTY, columns: 80, write } as unknown as NodeJS.WriteStream };
}

test('a status that changes all the time is made and drawn now and then', () => {
  const { written, stream: terminal } = stream(true);
  const output = new Output(false, 1, terminal, terminal);
  let made = 0;
  for (let number = 0; number < 1000; number++) output.status(() => `at ${made++}`);
  assert.equal(written[0], '\r\x1b[Kat 0');
  assert.ok(written.length < 100, `${written.length} times`);
  output.status('the last');
  assert.equal(written.at(-1), '\r\x1b[Kthe last');
  output.status('');
  assert.equal(written.at(-1), '\r\x1b[K');
  assert.ok(made < 1000);
});

test('without a terminal no status is made', () => {
  const { written, stream: pipe } = stream(false);
  new Output(false, 1, pipe, pipe).status(() => assert.fail('made'));
  assert.deepEqual(written, []);
});

test('while somebody is asked something no status is drawn', () => {
  const { written, stream: terminal } = stream(true);
  const output = new Output(false, 1, terminal, terminal);
  output.status('at 1');
  output.holdStatus(true);
  output.holdStatus(true);
  assert.equal(written.at(-1), '\r\x1b[K');
  const count = written.length;
  output.status('at 2');
  output.holdStatus(false);
  output.status('at 3');
  assert.equal(written.length, count);
  output.holdStatus(false);
  output.status('at 4');
  assert.equal(written.at(-1), '\r\x1b[Kat 4');
});

test('a status of several lines is removed line by line', () => {
  const { written, stream: terminal } = stream(true);
  const output = new Output(false, 1, terminal, terminal);
  output.status('figures\na file\nanother');
  output.status('');
  assert.equal(written.at(-1), '\r\x1b[K\x1b[1A\x1b[K\x1b[1A\x1b[K');
});
