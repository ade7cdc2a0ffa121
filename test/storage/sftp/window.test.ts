import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Step, Window } from '../../../src/storage/sftp/window.js';

/** Steps that a test ends by hand, with the state of each. */
function tracked(): { step: (cost: number) => Step; begun: string[]; end: (result?: Error) => Promise<void> } {
  const begun: string[] = [];
  const running: ((result?: Error) => void)[] = [];
  const step = (cost: number): Step => ({
    cost,
    run: () =>
      new Promise((resolve, reject) => {
        begun.push(String(cost));
        running.push((result) => (result === undefined ? resolve(undefined) : reject(result)));
      }),
  });
  const end = async (result?: Error): Promise<void> => {
    running.shift()?.(result);
    await settled();
  };
  return { step, begun, end };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('Window limits what is in flight, and serves a later transfer before the first is done', async () => {
  const window = new Window(10);
  const first = tracked();
  const second = tracked();
  const runs = [window.run([4, 4, 4, 4].map(first.step))];
  await settled();
  runs.push(window.run([3].map(second.step)));
  await settled();
  assert.deepEqual([first.begun, second.begun], [['4', '4'], []]);
  await first.end();
  assert.deepEqual([first.begun, second.begun], [['4', '4', '4'], []]);
  await first.end();
  assert.deepEqual([first.begun, second.begun], [['4', '4', '4'], ['3']]);
  await second.end();
  for (let i = 0; i < 2; i++) await first.end();
  await Promise.all(runs);
});

test('Window starts no step after a failure, and waits for the started ones', async () => {
  const window = new Window(2);
  const { step, begun, end } = tracked();
  let ended = false;
  const run = window.run([1, 1, 1, 1].map(step)).finally(() => {
    ended = true;
  });
  run.catch(() => undefined);
  await settled();
  await end(new Error('the first'));
  assert.equal(begun.length, 2);
  assert.ok(!ended);
  await end();
  await assert.rejects(run, /the first/);
  const other = tracked();
  const whole = window.run([2].map(other.step));
  await settled();
  await other.end();
  await whole;
});

test('Window rejects waiting steps on failure', async () => {
  const window = new Window(1);
  const { step, end } = tracked();
  const [holding, waiting] = [window.run([step(1)]), window.run([step(1)])];
  const refused = assert.rejects(waiting, /interrupted/);
  await settled();
  window.refuse(new Error('interrupted'));
  await refused;
  await end();
  await holding;
});
