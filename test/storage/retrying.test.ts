import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { openGuarded } from '../../src/storage/guards/guard.js';
import { Retrier } from '../../src/storage/guards/retrier.js';
import { RetryingStore } from '../../src/storage/guards/retrying.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { StoreSettings } from '../../src/storage/settings.js';
import type { Store } from '../../src/storage/store.js';
import { IdleTimeoutError } from '../../src/storage/transport/idle-timeout.js';
import { isVarveError } from '../errors/expect-error.js';
import { names, object } from './conformance.js';
import { FaultyStore, type Method, refused } from './faulty-store.js';
import { TestClock } from './test-clock.js';

const MINUTE = 60_000;

interface Setting {
  readonly retrySeconds?: number;
  readonly signal?: AbortSignal;
  readonly clock?: TestClock;
}

function retrying(inner: Store, { retrySeconds = 900, signal, clock = new TestClock() }: Setting = {}) {
  const notices: string[] = [];
  const onNotice = (text: string): void => void notices.push(text);
  const retrier = new Retrier({ retrySeconds, onNotice, ...(signal && { signal }) }, clock);
  return { store: new RetryingStore(inner, retrier), notices, clock };
}

const EACH: readonly [Method, (store: Store, name: string, bytes: Buffer) => Promise<unknown>][] = [
  ['create', (store) => store.create()],
  ['put', (store, name, bytes) => store.put('data', name, [bytes])],
  ['replace', (store, name, bytes) => store.replace('data', name, [bytes])],
  ['get', (store, name) => store.get('data', name, { offset: 1, length: 2 })],
  ['stat', (store, name) => store.stat('data', name)],
  ['list', (store) => names(store, 'data')],
  ['remove', (store, name) => store.remove('data', name)],
  ['now', (store) => store.now()],
];

for (const [method, request] of EACH) {
  test(`${method}: RetryingStore retries with growing waits until it succeeds`, async () => {
    for (const when of ['before', 'after'] as const) {
      const behind = new MemoryStore();
      const { name, bytes } = object(100);
      await behind.put('data', name, [bytes]);
      const faulty = FaultyStore.times(behind, 9, when, method);
      const { store, clock } = retrying(faulty);
      await request(store, name, bytes);
      assert.deepEqual(faulty.asked, new Array(10).fill(method));
      assert.deepEqual(clock.waits.slice(0, 3), [500, 1000, 2000]);
      assert.equal(clock.waits.at(-1), 30_000);
    }
  });
}

test('a permanent error is not retried', async () => {
  const errors = [
    new VarveError('denied', 'not for you'),
    new VarveError('storage', 'wrong certificate'),
    new Error('a bug'),
  ];
  for (const error of errors) {
    for (const [, request] of EACH) {
      const faulty = new FaultyStore(new MemoryStore(), () => ({ when: 'before', error }));
      const { store, clock } = retrying(faulty);
      await assert.rejects(request(store, object(1).name, Buffer.alloc(1)), (cause) => cause === error);
      assert.deepEqual(clock.waits, []);
    }
  }
});

test('Retrier gives up soon when connections are refused and nothing has succeeded yet', async () => {
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  const error = new VarveError('storage', 'refused', { cause: new Error('wrapped', { cause }), retryable: true });
  const clock = new TestClock();
  const settings = { retrySeconds: 900, refusedSeconds: 20 };
  const slept = () => clock.waits.reduce((sum, wait) => sum + wait, 0);
  const fail = (retrier: Retrier) => assert.rejects(retrier.run('there', () => Promise.reject(error)));
  const retrier = new Retrier(settings, clock);
  await retrier.run('there', async () => undefined, false);
  await fail(retrier);
  assert.equal(slept(), 20_000);
  const answered = new Retrier(settings, clock);
  await answered.run('there', async () => undefined);
  await fail(answered);
  assert.equal(slept(), 920_000);
});

test('retries of an unreachable store end after the given time with an error that says so', async () => {
  const faulty = new FaultyStore(new MemoryStore(), () => ({ when: 'before', error: refused() }));
  for (const retrySeconds of [900, 10, 0]) {
    const { store, clock } = retrying(faulty, { retrySeconds });
    const wanted =
      retrySeconds === 900
        ? /^data: connection refused by store\.example; given up after \d+ tries in 15 min$/
        : retrySeconds === 10
          ? /given up after \d+ tries in 10 s$/
          : /^data: connection refused by store\.example$/;
    await assert.rejects(store.get('data', object(1).name), isVarveError('storage', wanted));
    assert.equal(clock.now(), retrySeconds * 1000);
  }
});

test('the time of retries counts from the first failure of each operation', async () => {
  const clock = new TestClock();
  let failing = true;
  const faulty = new FaultyStore(new MemoryStore(), () => (failing ? { when: 'before', error: refused() } : undefined));
  const { store } = retrying(faulty, { retrySeconds: 60, clock });
  clock.onSleep = () => {
    failing = clock.now() < 30_000;
  };
  await store.now();
  const began = clock.now();
  failing = true;
  clock.onSleep = () => undefined;
  await assert.rejects(store.now(), isVarveError('storage', /in 60 s$/));
  assert.equal(clock.now() - began, 60_000);
});

test('retries of a silent store end after the given time of silence, also during an attempt', async () => {
  for (const [retrySeconds, idleTimeoutSeconds, seconds] of [
    [900, 300, 900],
    [900, 7, 900],
    [300, 300, 305],
    [60, 300, 305],
    [60, 2, 60],
    [0, 300, 300],
  ] as const) {
    const clock = new TestClock();
    const behind = new MemoryStore();
    let silent = true;
    const given = { environment: {}, extended: new Map(), idleTimeoutSeconds, retrySeconds };
    const open = async (how: StoreSettings): Promise<Store> =>
      new FaultyStore(behind, () => {
        if (!silent) return undefined;
        clock.pass(how.idleTimeoutSeconds * 1000);
        const cause = new IdleTimeoutError('store.example', how.idleTimeoutSeconds);
        return { when: 'before', error: new VarveError('storage', cause.message, { cause, retryable: true }) };
      });
    const store = await openGuarded('test:', open, given, clock);
    await assert.rejects(store.now(), isVarveError('storage', /no answer from store\.example for /));
    const took = clock.now() / 1000;
    assert.ok(took >= seconds && took <= seconds + 5, `${retrySeconds}, ${idleTimeoutSeconds}: ${took} s`);
    await assert.rejects(store.remove('locks', object(1).name));
    assert.ok(clock.now() / 1000 - took <= 2, 'what is cleaned up then is not waited for');
    silent = false;
    await store.now();
    silent = true;
    await assert.rejects(names(store, 'data'));
    assert.ok(clock.now() / 1000 >= took + seconds, 'a success restarts the time for retries');
  }
});

test('after one operation was given up, others get one attempt until one succeeds', async () => {
  let failing = true;
  const faulty = new FaultyStore(new MemoryStore(), () => (failing ? { when: 'before', error: refused() } : undefined));
  const { store, clock } = retrying(faulty);
  await assert.rejects(store.now());
  const waited = clock.waits.length;
  for (const [, request] of EACH)
    await assert.rejects(
      request(store, object(1).name, Buffer.alloc(1)),
      isVarveError('unreachable', /^data: connection refused by store\.example; nothing has succeeded for 15 min$/),
    );
  assert.equal(clock.waits.length, waited);
  failing = false;
  await store.now();
  failing = true;
  await assert.rejects(store.now(), /given up/);
  assert.ok(clock.waits.length > waited);
});

test('waits are spread over their whole range', async () => {
  const chances = [0, 0.5, 0.25, 1];
  const clock = new TestClock(() => chances.shift() ?? 0);
  const { store } = retrying(FaultyStore.times(new MemoryStore(), 4), { clock });
  await store.now();
  assert.deepEqual(clock.waits, [0, 500, 500, 4000]);
});

test('long waits send a notice each half minute, short waits none', async () => {
  const short = retrying(FaultyStore.times(new MemoryStore(), 2));
  await short.store.now();
  assert.deepEqual(short.notices, []);
  const faulty = new FaultyStore(new MemoryStore(), () => ({ when: 'before', error: refused() }));
  const { store, notices, clock } = retrying(faulty);
  await assert.rejects(Promise.all([store.now(), store.stat('data', object(1).name), names(store, 'index')]));
  assert.match(
    notices[0] as string,
    /^test:store: data: connection refused by store\.example; trying again in \d s, and then until \d\d:\d\d:\d\d at most$/,
  );
  assert.ok(notices.length >= 10 && notices.length <= clock.now() / 30_000 + 1, `${notices.length} notices`);
});

test('an interruption ends waits at once, without further attempts', async () => {
  const abort = new AbortController();
  const clock = new TestClock();
  const faulty = new FaultyStore(new MemoryStore(), () => ({ when: 'before', error: refused() }));
  const { store } = retrying(faulty, { signal: abort.signal, clock });
  clock.onSleep = () => clock.waits.length === 3 && abort.abort();
  await assert.rejects(store.now(), isVarveError('interrupted'));
  assert.equal(clock.waits.length, 3);
  await assert.rejects(store.now(), refused());
  await assert.rejects(names(store, 'data'), refused());
  assert.equal(clock.waits.length, 3);
});

test('closing ends waits at once', async () => {
  const clock = new TestClock();
  const { store } = retrying(FaultyStore.times(new MemoryStore(), 1000), { clock });
  clock.onSleep = () => void store.close();
  await assert.rejects(store.now(), refused());
  assert.equal(clock.waits.length, 1);
});

test('config from an attempt with a lost answer is ours, another client’s config is not', async () => {
  const behind = new MemoryStore();
  const { store } = retrying(FaultyStore.times(behind, 2, 'after', 'put'));
  await store.put('config', 'config', [Buffer.from('my '), Buffer.from('own')]);
  assert.equal((await behind.get('config', 'config')).toString(), 'my own');
  await assert.rejects(store.put('config', 'config', [Buffer.from('my own')]), isVarveError('exists'));
  const other = retrying(FaultyStore.times(behind, 1, 'before', 'put'));
  await assert.rejects(other.store.put('config', 'config', [Buffer.from('another')]), isVarveError('exists'));
});

test('config is compared even when reading it back fails at first', async () => {
  const behind = new MemoryStore();
  let puts = 0;
  let gets = 0;
  const faulty = new FaultyStore(behind, (method) => {
    if (method === 'put' && puts++ === 0) return { when: 'after', error: refused() };
    return method === 'get' && gets++ === 0 ? { when: 'before', error: refused() } : undefined;
  });
  await retrying(faulty).store.put('config', 'config', [Buffer.from('my own')]);
  assert.deepEqual(faulty.asked, ['put', 'put', 'get', 'put', 'get']);
});

test('a broken listing restarts and yields each name once', async () => {
  const behind = new MemoryStore();
  const objects = Array.from({ length: 300 }, (_, i) => object(10 + i));
  for (const { name, bytes } of objects) await behind.put('index', name, [bytes]);
  const { store } = retrying(FaultyStore.times(behind, 5, 'before', 'list'));
  const found: string[] = [];
  for await (const { name } of store.list('index')) found.push(name);
  assert.deepEqual(found.sort(), objects.map(({ name }) => name).sort());
});

test('progress of a listing restarts its time for retries', async () => {
  const behind = new MemoryStore();
  for (let i = 0; i < 10; i++) await behind.put('index', object(10 + i).name, [Buffer.alloc(1)]);
  const clock = new TestClock();
  const faulty = FaultyStore.times(behind, 1000, 'before', 'list');
  const { store } = retrying(faulty, { retrySeconds: 60, clock });
  let told = 0;
  await assert.rejects(
    async () => {
      for await (const _ of store.list('index')) {
        told++;
        clock.pass(MINUTE);
      }
    },
    isVarveError('storage', /given up/),
  );
  assert.equal(told, 5);
  assert.equal(clock.now(), 6 * MINUTE);
});

test('opening a store is retried too', async () => {
  const clock = new TestClock();
  const notices: string[] = [];
  const settings: StoreSettings = {
    environment: {},
    extended: new Map(),
    idleTimeoutSeconds: 300,
    retrySeconds: 900,
    onNotice: (text) => notices.push(text),
  };
  let opened = 0;
  const open = async (): Promise<Store> => {
    if (opened++ < 4) throw refused();
    return new MemoryStore();
  };
  const store = await openGuarded('test:', open, settings, clock);
  assert.equal(opened, 5);
  assert.match(notices[0] as string, /^test:.* connection refused/);
  await store.create();
  assert.equal(store.connections, 5);
});
