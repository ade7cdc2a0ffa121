import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { test } from 'node:test';
import { addKeySlot } from '../../src/repository/keys/key-slots.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { forgetSnapshots, type PlanOptions, planForget } from '../../src/retention/forget.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { policyOf, type Rules, storedSnapshot } from './history.js';
import { newRepository, StubbornStore, writeDays } from './repository.js';

const scratch = scratchDirectory();
let number = 0;

process.env.TZ = 'UTC';

const day = (at: number) => ({ seconds: at * 24 * 3600, nanoseconds: 0 });
const paths = [Buffer.from('/a'), Buffer.from('/b')];
const SNAPSHOTS = [
  storedSnapshot('1', { time: day(1), host: 'web', paths }),
  storedSnapshot('2', { time: day(2), host: 'db', tags: ['x'] }),
  storedSnapshot('3', { time: day(3), host: 'web', paths: paths.toReversed(), tags: ['x'] }),
  storedSnapshot('4', { time: day(4), host: 'web' }),
];

const EVERYTHING = { host: true, paths: true, tags: true };
const NOTHING = { host: false, paths: false, tags: false };

function plan(rules: Rules, groupBy: Partial<PlanOptions['groupBy']>, allowRemoveAll = false): string[] {
  const groups = planForget(SNAPSHOTS, {
    policy: policyOf(rules),
    groupBy: { ...NOTHING, ...groupBy },
    allowRemoveAll,
  });
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id).join('');
  return groups.map(({ keep, remove }) => `+${ids(keep.map(({ stored }) => stored))} -${ids(remove)}`);
}

test('planForget applies the policy to each group, in any order of paths', () => {
  assert.deepEqual(plan({ last: 1 }, { host: true, paths: true }), ['+3 -1', '+2 -', '+4 -']);
  assert.deepEqual(plan({ last: 1 }, { host: true }), ['+4 -31', '+2 -']);
  assert.deepEqual(plan({ last: 1 }, { tags: true }), ['+4 -1', '+3 -2']);
  assert.deepEqual(plan({ last: 1 }, EVERYTHING), ['+1 -', '+2 -', '+3 -', '+4 -']);
  assert.deepEqual(plan({ last: 1 }, NOTHING), ['+4 -321']);
});

test('planForget refuses an empty policy', () => {
  assert.throws(() => plan({}, NOTHING), /no policy was specified, no snapshots will be removed/);
  assert.throws(() => plan({ last: 0, within: '0d' }, NOTHING), /no policy was specified/);
});

test('planForget refuses a policy that keeps nothing of a group', () => {
  assert.throws(
    () => plan({ tags: ['x'] }, { host: true, paths: true }),
    /last snapshot of a group \(4, of web: \/srv\)/,
  );
  assert.throws(() => plan({ within: '1990-01-01' }, NOTHING), /keeps none of its 4, and nothing was removed/);
});

test('planForget allows both on request', () => {
  assert.deepEqual(plan({}, NOTHING, true), ['+ -4321']);
  assert.deepEqual(plan({ tags: ['x'] }, { host: true, paths: true }, true), ['+3 -1', '+2 -', '+ -4']);
});

test('forgetSnapshots removes the oldest first, and goes on after a failure', async () => {
  const store = await StubbornStore.open(join(scratch, String(number++)));
  const repository = await newRepository(store);
  const snapshots = await writeDays(repository, ['2024-05-01', '2024-05-02', '2024-05-03', '2024-05-04']);
  const [first, second, third, last] = snapshots.map(({ id }) => id);
  assert.ok(first && second && third && last);
  store.stubborn.add(second);
  store.log.length = 0;
  const progress: number[] = [];
  const failures = await forgetSnapshots(repository, snapshots.slice(0, 3), {
    onProgress: (done) => progress.push(done),
  });
  assert.deepEqual(store.log, [`remove snapshots/${first}`, `remove snapshots/${third}`]);
  assert.deepEqual(progress, [1, 2, 3]);
  assert.deepEqual(
    failures.map(({ stored, error }) => [stored.id, error.code]),
    [[second, 'storage']],
  );
  assert.deepEqual(
    (await listSnapshots(repository)).snapshots.map(({ id }) => id),
    [second, last],
  );
});

test('forgetSnapshots reports its progress when it is interrupted', async () => {
  const store = await StubbornStore.open(join(scratch, String(number++)));
  const repository = await newRepository(store);
  const snapshots = await writeDays(repository, ['2024-05-01', '2024-05-02']);
  const forgotten = forgetSnapshots(repository, snapshots, { signal: AbortSignal.abort() });
  await assert.rejects(forgotten, { code: 'interrupted', message: 'interrupted; snapshots removed: 0 of 2' });
  assert.equal((await listSnapshots(repository)).snapshots.length, 2);
});

test('forgetSnapshots refuses an append key', async () => {
  const store = await StubbornStore.open(join(scratch, String(number++)));
  const full = await newRepository(store);
  const snapshots = await writeDays(full, ['2024-05-01']);
  const unlock = { password: 'append' };
  await addKeySlot(full, { role: 'append', unlock, user: 'b', host: 'web2', logN: 10 });
  const repository = await openRepository(store, { unlock });
  await assert.rejects(forgetSnapshots(repository, snapshots), {
    code: 'role',
    message: 'this key may only append: cannot forget snapshots; use a manage or full key',
  });
  assert.equal((await listSnapshots(full)).snapshots.length, 1);
});
