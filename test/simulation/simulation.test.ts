import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { WHOLE } from '../whole.js';
import { FAULTS } from './faults.js';
import { simulateMany } from './many.js';
import { simulate } from './run.js';

const SEEDS = WHOLE ? 400 : 80;
/** Within which each fault must be found. */
const FAULT_SEEDS = 1000;
const threads = Math.min(4, availableParallelism());

test('no snapshot is lost, whatever is interrupted, delayed or lost', async () => {
  const { runs, failures } = await simulateMany({ first: 0, seeds: SEEDS, threads, untilFailure: false });
  const [failed] = failures;
  const again = `npm run simulate -- --first ${failed?.seed} --seeds 1`;
  assert.equal(failed, undefined, `${failed?.trace.join('\n')}\n${failed?.failure}\nto run it again: ${again}`);
  assert.equal(runs, SEEDS);
});

for (const [fault, { about }] of Object.entries(FAULTS)) {
  test(`it is found when ${about}`, async (t) => {
    const { failures } = await simulateMany({ first: 0, seeds: FAULT_SEEDS, threads, fault, untilFailure: true });
    const [found] = failures;
    assert.ok(found, `no run of ${FAULT_SEEDS} failed`);
    assert.match(found.failure, /cannot be restored|is gone|without any mishap fails: damaged/);
    t.diagnostic(`${fault}: found with seed ${found.seed}`);
  });
}

test('a seed gives the same run again, with other keys too', async () => {
  const fault = 'early-answer';
  const { failures } = await simulateMany({ first: 0, seeds: FAULT_SEEDS, threads: 1, fault, untilFailure: true });
  const [found] = failures;
  assert.ok(found);
  const again = await simulate(found.seed, FAULTS[fault]);
  assert.deepEqual(again, found);
  for (let seed = 0; seed < (WHOLE ? 10 : 4); seed++) assert.deepEqual(await simulate(seed), await simulate(seed));
});
