import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parityVectors } from './vectors.js';

const file = new URL('../../../fixtures/vectors/parity.json', import.meta.url);

test('parity sections match fixtures/vectors/parity.json', () => {
  assert.deepEqual(parityVectors(), JSON.parse(readFileSync(file, 'utf8')));
});
