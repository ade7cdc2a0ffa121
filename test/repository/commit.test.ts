import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryCondemned } from '../../src/repository/writing/commit.js';
import { isVarveError } from '../errors/expect-error.js';

test('retryCondemned returns the first result, and says which attempt is the last', async () => {
  const lasts: boolean[] = [];
  const result = await retryCondemned('copy', 3, async (last) => {
    lasts.push(last);
    return last ? 'done' : undefined;
  });
  assert.equal(result, 'done');
  assert.deepEqual(lasts, [false, false, true]);
});

test('retryCondemned throws incomplete and names the operation when every attempt fails', async () => {
  let made = 0;
  const attempts = retryCondemned('copy', 2, async () => void made++);
  await assert.rejects(attempts, isVarveError('incomplete', /^a prune is removing what this copy relies on/));
  assert.equal(made, 2);
});
