import { test } from 'node:test';
import { parseArgs } from 'node:util';
import { Playground } from '../cli/varve.js';
import { endRounds } from './ends.js';
import { NO_FUSE } from './fuse.js';
import { makeSource } from './source.js';

/** Ends mounts in every way: `node build/test/mount/main.js --rounds 200 --seed 1`. */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
if (NO_FUSE !== false) throw new Error(NO_FUSE);

test(`${values.rounds} ends of mounts, seed ${values.seed}`, async () => {
  const play = new Playground();
  const source = makeSource(play);
  await play.ok(['init']);
  await play.backup(source);
  const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
  const longest = await endRounds({ play, source, rounds, seed, log: (line) => console.log(line) });
  console.log(`${rounds} ends, nothing left behind; the longest took ${Math.round(longest)} ms`);
});
