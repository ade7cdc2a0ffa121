import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { defaultThreads, WorkerPool } from '../../src/workers/pool.js';
import { isVarveError } from '../errors/expect-error.js';
import type { Init, Reply, Task } from './obliging-worker.js';

type Pool = WorkerPool<Init, Task, Reply, string>;

const MODULE = new URL('./obliging-worker.js', import.meta.url);

/** Runs `use` with a pool of workers named w0, w1, …, and what they note. */
async function withPool<Result>(
  size: number,
  use: (pool: Pool, seen: { notes: string[]; waiting: number[] }) => Promise<Result>,
  name = (number: number): string => `w${number}`,
): Promise<Result> {
  const seen = { notes: [] as string[], waiting: [] as number[] };
  const pool: Pool = new WorkerPool(
    MODULE,
    size,
    (number) => ({ data: { name: name(number) }, transfer: [] }),
    (note) => seen.notes.push(note),
    (tasks) => seen.waiting.push(tasks),
  );
  try {
    return await use(pool, seen);
  } finally {
    await pool.close();
  }
}

test('each task is done once, by whichever worker is free', async () => {
  await withPool(2, async (pool, { waiting }) => {
    assert.equal(pool.size, 2);
    const replies = await Promise.all(Array.from({ length: 40 }, () => pool.run({ do: 'sleep', milliseconds: 2 })));
    assert.equal(replies.length, 40);
    assert.deepEqual([...new Set(replies)].sort(), ['w0', 'w1']);
    assert.ok(Math.max(...waiting) >= 30, 'tasks that no worker has yet are told');
    assert.equal(waiting.at(-1), 0);
  });
});

test('a slow task holds up no other', async () => {
  await withPool(2, async (pool) => {
    const slow = pool.run({ do: 'sleep', milliseconds: 400 });
    const started = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => pool.run({ do: 'sleep', milliseconds: 1 })).slice(0, 1));
    assert.ok(performance.now() - started < 390);
    await slow;
  });
});

test('a task for every worker reaches each worker after its queued tasks', async () => {
  await withPool(3, async (pool) => {
    const before = [0, 1, 2].map(() => pool.run({ do: 'sleep', milliseconds: 20 }));
    assert.deepEqual(await pool.runOnEach({ do: 'name' }), ['w0', 'w1', 'w2']);
    assert.equal(await pool.runOn(2, { do: 'name' }), 'w2');
    await Promise.all(before);
    await assert.rejects(pool.runOn(3, { do: 'name' }));
  });
});

test('notes arrive before the reply of the task that sent them', async () => {
  await withPool(1, async (pool, { notes }) => {
    await pool.run({ do: 'note', text: 'one' });
    assert.deepEqual(notes, ['w0: one']);
  });
});

test('bytes can be moved there and back', async () => {
  await withPool(1, async (pool) => {
    const bytes = new Uint8Array([1, 2, 3]);
    const back = pool.run({ do: 'bytes', bytes }, [bytes.buffer]);
    assert.equal(bytes.length, 0, 'moved, not copied');
    assert.deepEqual(await back, new Uint8Array([1, 2, 3]));
  });
});

test('an error in a task rejects that task alone, as it was', async () => {
  await withPool(2, async (pool) => {
    const failing = pool.run({ do: 'fail', how: 'varve' });
    await assert.rejects(failing, (error: { retryable?: boolean }) => {
      assert.equal(error.retryable, true);
      return isVarveError('full', /^data\/ab: no room$/)(error);
    });
    await assert.rejects(pool.run({ do: 'fail', how: 'system' }), isVarveError('internal', /no such file/));
    await assert.rejects(pool.run({ do: 'fail', how: 'plain' }), isVarveError('internal', /^a bug$/));
    assert.ok(await pool.run({ do: 'name' }));
  });
});

test('a worker that ends takes all tasks with it, and later ones fail at once', { timeout: 10_000 }, async () => {
  for (const how of ['exit', 'crash'] as const) {
    await withPool(2, async (pool) => {
      const others = Array.from({ length: 8 }, () => pool.run({ do: 'sleep', milliseconds: 60 }));
      const last = pool.run({ do: how });
      const results = await Promise.allSettled([...others, last, pool.run({ do: 'sleep', milliseconds: 300 })]);
      assert.ok(results.some(({ status }) => status === 'rejected'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      const message = how === 'exit' ? /ended/ : /out of the blue/;
      await assert.rejects(pool.run({ do: 'name' }), isVarveError('internal', message));
      await assert.rejects(pool.runOn(0, { do: 'name' }), isVarveError('internal', message));
    });
  }
});

test('a worker that does not start is an error for every task', { timeout: 10_000 }, async () => {
  const broken = (number: number): string => (number === 1 ? 'broken' : 'w0');
  await withPool(
    2,
    async (pool) => {
      const tasks = Array.from({ length: 6 }, () => pool.run({ do: 'sleep', milliseconds: 200 }));
      const results = await Promise.allSettled(tasks);
      assert.ok(results.some((each) => each.status === 'rejected' && /does not start/.test(String(each.reason))));
    },
    broken,
  );
});

test('closing lets the tasks at work end and rejects the others', { timeout: 10_000 }, async () => {
  const pool: Pool = new WorkerPool(MODULE, 1, () => ({ data: { name: 'w' }, transfer: [] }));
  const tasks = Array.from({ length: 5 }, () => pool.run({ do: 'sleep', milliseconds: 50 }));
  const settled = Promise.allSettled(tasks);
  await pool.run({ do: 'name' }).catch(() => undefined);
  await pool.close();
  const results = await settled;
  for (const each of results) if (each.status === 'rejected') isVarveError('interrupted')(each.reason);
  await assert.rejects(pool.run({ do: 'name' }), isVarveError('interrupted'));
  await pool.close();
});

test('one thread a core, two at least', () => {
  assert.ok(defaultThreads() >= 2);
});

test('a pool may be closed at any moment of its start, also with native code being loaded', {
  timeout: 30_000,
}, async () => {
  const module = new URL('../../src/restore/restore-worker.js', import.meta.url);
  for (let milliseconds = 0; milliseconds < 120; milliseconds += 12) {
    const pool = new WorkerPool(module, 2, () => ({ data: null, transfer: [] }));
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await pool.close();
  }
});

test('threads started ahead let the process end at any moment, and a pool takes them over', { timeout: 60_000 }, () => {
  const child = new URL('./start-ahead.js', import.meta.url).pathname;
  const run = (what: string, milliseconds: number): number | null =>
    spawnSync(process.execPath, [child, what, String(milliseconds)]).status;
  for (let milliseconds = 0; milliseconds < 130; milliseconds += 16) assert.equal(run('end', milliseconds), 12);
  for (const milliseconds of [0, 300]) assert.equal(run('pool', milliseconds), 7);
});
