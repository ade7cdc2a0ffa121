import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { WorkerPool } from '../../src/workers/pool.js';
import { SharedBuffers } from '../../src/workers/shared-buffers.js';
import { serveSyncCalls } from '../../src/workers/sync-call.js';
import { isVarveError } from '../errors/expect-error.js';
import type { Init, Reply, Task } from './obliging-worker.js';

const MODULE = new URL('./obliging-worker.js', import.meta.url);
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

type Pool = WorkerPool<Init, Task, Reply, string>;

function poolWith(size: number, buffers: SharedBuffers): Pool {
  return new WorkerPool(MODULE, size, (n) => ({ data: { name: `w${n}`, buffers: buffers.handle }, transfer: [] }));
}

test('buffers are apart from each other, at least as large as asked, and begin at pages', () => {
  const buffers = SharedBuffers.create(3, 100_000);
  assert.equal(buffers.count, 3);
  for (let number = 0; number < 3; number++) {
    const bytes = buffers.bytes(number);
    assert.ok(bytes.length >= 100_000);
    assert.equal(bytes.byteOffset % 65_536, 0);
    bytes.fill(number + 1);
  }
  for (let number = 0; number < 3; number++) assert.ok(buffers.bytes(number).every((byte) => byte === number + 1));
  assert.throws(() => buffers.bytes(3), RangeError);
  assert.throws(() => buffers.bytes(-1), RangeError);
});

test('each buffer is handed out once, until it is released', () => {
  const buffers = SharedBuffers.create(2, 10);
  const taken = [buffers.tryAcquire(), buffers.acquire()];
  assert.deepEqual(taken.sort(), [0, 1]);
  assert.equal(buffers.tryAcquire(), undefined);
  buffers.release(1);
  assert.equal(buffers.acquire(), 1);
});

test('a worker that finds none free waits until one is released', { timeout: 10_000 }, async () => {
  const buffers = SharedBuffers.create(2, 1000);
  const pool = poolWith(1, buffers);
  try {
    let done = false;
    const reply = pool.run({ do: 'acquire', count: 3, mark: 9 }).finally(() => {
      done = true;
    });
    const taken = (): boolean => [0, 1].every((number) => Atomics.load(buffers.handle.states, number) !== 0);
    while (!taken()) await pause(5);
    await pause(50);
    assert.equal(done, false, 'two buffers do not do for three');
    buffers.release(0);
    assert.deepEqual(await reply, [0, 1, 0]);
    assert.equal(buffers.bytes(0)[0], 9);
  } finally {
    buffers.abort(); // a thread that waits for ever would keep this process
    await pool.close();
  }
});

test('many threads that wait all get one in the end, and no two the same', { timeout: 20_000 }, async () => {
  const buffers = SharedBuffers.create(3, 1000);
  const pool = poolWith(4, buffers);
  try {
    const held = new Set<number>();
    const rounds = Array.from({ length: 400 }, async () => {
      const [number] = (await pool.run({ do: 'acquire', count: 1, mark: 1 })) as number[];
      assert.ok(number !== undefined && !held.has(number), `buffer ${number} was handed out twice`);
      held.add(number);
      await pause(0);
      held.delete(number);
      buffers.release(number);
    });
    await Promise.all(rounds);
  } finally {
    await pool.close();
  }
});

test('an abort ends present and future waits', { timeout: 10_000 }, async () => {
  const buffers = SharedBuffers.create(1, 1000);
  const pool = poolWith(2, buffers);
  try {
    const waits = [0, 1].map(() => pool.run({ do: 'acquire', count: 2, mark: 1 }));
    const settled = Promise.allSettled(waits);
    await pause(100);
    buffers.abort();
    for (const each of await settled) {
      assert.equal(each.status, 'rejected');
      isVarveError('interrupted')((each as PromiseRejectedResult).reason);
    }
    buffers.release(0);
    assert.throws(() => buffers.tryAcquire(), isVarveError('interrupted'));
  } finally {
    await pool.close();
  }
});

test('a worker gets the answer of an asynchronous call in the midst of its work', { timeout: 20_000 }, async () => {
  const seen: string[] = [];
  const pool: Pool = new WorkerPool(MODULE, 2, (n) => {
    const calls = serveSyncCalls(async (request: string) => {
      seen.push(request);
      await pause(request.length % 3);
      if (request === 'damaged') throw new VarveError('damaged', 'data/ab: truncated');
      if (request === 'bug') throw new TypeError('a bug');
      return Buffer.from(`${n} ${request}`);
    });
    return { data: { name: `w${n}`, calls }, transfer: [calls.port] };
  });
  try {
    const requests = Array.from({ length: 200 }, (_, i) => 'x'.repeat(i % 7));
    const replies = await Promise.all([0, 1].map((n) => pool.runOn(n, { do: 'call', requests })));
    for (const n of [0, 1])
      assert.deepEqual(
        replies[n],
        requests.map((request) => `${n} ${request}`),
      );
    await assert.rejects(
      pool.run({ do: 'call', requests: ['damaged'] }),
      isVarveError('damaged', /^data\/ab: truncated$/),
    );
    await assert.rejects(pool.run({ do: 'call', requests: ['bug'] }), isVarveError('internal', /a bug/));
    assert.deepEqual(await pool.runOn(0, { do: 'call', requests: ['again'] }), ['0 again']);
    assert.equal(seen.length, 403);
  } finally {
    await pool.close();
  }
});
