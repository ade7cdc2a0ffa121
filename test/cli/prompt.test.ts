import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { onTerminal } from './terminal.js';
import { Playground } from './varve.js';

const PASSWORD = 'correct-horse';
const QUESTION = /password for the repository: /;
const play = new Playground();
const asked = { VARVE_KEY_FILE: undefined };

before(() => play.ok(['init'], { env: { ...asked, VARVE_PASSWORD: PASSWORD } }));

test('the prompt shows nothing of a password, nor of one typed while the last is tried', async () => {
  const steps = [{ shown: QUESTION, typed: `wrong-battery\r${PASSWORD}\r` }];
  const { code, screen } = await onTerminal(play, ['snapshots'], steps, asked);
  assert.equal(code, 0, screen);
  assert.match(screen, /wrong password, try again/);
  assert.doesNotMatch(screen, /horse|battery/);
});

test('the prompt takes several lines that are pasted at once', async () => {
  const steps = [{ shown: QUESTION, typed: `${PASSWORD}\rnew-staple\rnew-staple\r` }];
  const { code, screen } = await onTerminal(play, ['key', 'add'], steps, asked);
  assert.equal(code, 0, screen);
  assert.match(screen, /saved new key/);
  assert.doesNotMatch(screen, /horse|staple/);
});

test('the prompt ends with 130 when Ctrl-C is typed', async () => {
  const { code, screen } = await onTerminal(play, ['snapshots'], [{ shown: QUESTION, typed: 'corr\x03' }], asked);
  assert.equal(code, 130, screen);
  assert.match(screen, /no password was given/);
});
