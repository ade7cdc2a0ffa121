import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOOPS, prepare, runBeside, verify } from './commands.js';

/** `npm run test:beside` goes on for minutes. */
const SECONDS = 3;

test('all commands end with 0 or 11 when they run beside each other', async () => {
  const place = await prepare();
  const counts = await runBeside(place, SECONDS);
  assert.equal(counts.size, LOOPS.length);
  await verify(place);
});
