import { test } from 'node:test';
import { Playground } from '../cli/varve.js';
import { endRounds, WAYS } from './ends.js';
import { NO_FUSE } from './fuse.js';
import { makeSource } from './source.js';

/** `npm run test:mount` does more. */
const ROUNDS = 2 * WAYS.length;

test('mount leaves nothing behind when it ends in any way', { skip: NO_FUSE, timeout: 300_000 }, async (t) => {
  const play = new Playground();
  const source = makeSource(play);
  await play.ok(['init']);
  await play.backup(source);
  const longest = await endRounds({ play, source, rounds: ROUNDS, seed: 1, log: (line) => t.diagnostic(line) });
  t.diagnostic(`the longest took ${Math.round(longest)} ms`);
});
