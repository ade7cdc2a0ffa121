import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable, printableMessage } from '../../src/cli/text/escape.js';

test('printableMessage cuts a name in its middle when it is longer than Linux takes', () => {
  const name = `${'a'.repeat(30_000)} ${'b'.repeat(30_000)}`;
  const message = printableMessage(`/home/${name}/file: the name is too long`);
  assert.match(message, /^\/home\/a{400}…b{400}\/file: the name is too long$/);
});

test('printableMessage keeps the longest name that Linux takes when each byte is escaped', () => {
  const escaped = '\\u0001'.repeat(255);
  assert.equal(
    printableMessage(`/home/${escaped}: gone`),
    `/home/${'\\\\u0001'.repeat(255)}: gone`.replaceAll('\\\\', '\\'),
  );
});

test('printable cuts nothing, as it is for data', () => {
  const name = 'a'.repeat(60_000);
  assert.equal(printable(name), name);
});
