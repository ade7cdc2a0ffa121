import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/storage/guards/clock.js';
import { openGuarded } from '../../src/storage/guards/guard.js';
import { openRest } from '../../src/storage/rest/open.js';
import type { StoreSettings } from '../../src/storage/settings.js';
import type { Store } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';
import { startServer } from '../serve/running.js';
import { type BadNetwork, type Badness, FAULTS, startBadNetwork } from '../servers/bad-network.js';
import { names, object, type TestObject } from './conformance.js';
import { settings } from './transport/settings.js';

const networks: BadNetwork[] = [];
const stores: Store[] = [];
after(async () => {
  for (const each of stores) await each.close();
  for (const each of networks) await each.stop();
});

/** Waits a fiftieth of what it should, so that many failures take little time. */
const IMPATIENT = {
  ...systemClock,
  sleep: (milliseconds: number, signal: AbortSignal) => systemClock.sleep(milliseconds / 50, signal),
};

interface Through {
  readonly network: BadNetwork;
  /** By way of the network. */
  readonly store: Store;
  /** By another way. */
  readonly direct: Store;
}

/** A repository that `varve serve` serves, behind a bad network. */
async function through(badness: Badness, given: Partial<StoreSettings> = {}): Promise<Through> {
  const { port } = await startServer();
  const network = await startBadNetwork(`127.0.0.1:${port}`, badness);
  networks.push(network);
  const open = (host: string, how: StoreSettings): Promise<Store> =>
    openGuarded('rest:', (each) => openRest(`http://${host}/repository/`, each), how, IMPATIENT);
  const direct = await open(`127.0.0.1:${port}`, settings());
  await direct.create();
  const store = await open(network.host, settings(given));
  stores.push(store, direct);
  return { network, store, direct };
}

for (const fault of FAULTS) {
  test(`each kind of request survives three faults: ${fault}`, async () => {
    const { network, store, direct } = await through({ seed: 1, rate: 0, faults: [fault] });
    const { name, bytes } = object(200_000);
    const small = object(100);
    await direct.put('data', name, [bytes]);
    await direct.put('index', small.name, [small.bytes]);
    const surviving = async <T>(request: () => Promise<T>): Promise<T> => {
      network.rate = 1;
      network.after(4, () => {
        network.rate = 0;
      });
      return request();
    };
    await surviving(() => store.create());
    assert.ok((await surviving(() => store.get('data', name))).equals(bytes));
    const range = { offset: 1000, length: 100_000 };
    assert.ok((await surviving(() => store.get('data', name, range))).equals(bytes.subarray(1000, 101_000)));
    assert.equal((await surviving(() => store.stat('data', name)))?.size, 200_000);
    assert.deepEqual(await surviving(() => names(store, 'index')), [small.name]);
    const fresh = object(300_000);
    await surviving(() => store.put('data', fresh.name, [fresh.bytes]));
    assert.ok((await direct.get('data', fresh.name)).equals(fresh.bytes));
    await surviving(() => store.replace('data', fresh.name, [fresh.bytes]));
    assert.ok((await direct.get('data', fresh.name)).equals(fresh.bytes));
    await surviving(() => store.put('config', 'config', [Buffer.from('my own')]));
    assert.equal((await direct.get('config', 'config')).toString(), 'my own');
    await assert.rejects(
      surviving(() => store.put('config', 'config', [Buffer.from('others')])),
      isVarveError('exists'),
    );
    await surviving(() => store.remove('data', fresh.name));
    assert.equal(await direct.stat('data', fresh.name), undefined);
    await assert.rejects(
      surviving(() => store.get('data', fresh.name)),
      isVarveError('not-found'),
    );
    assert.ok((await surviving(() => store.now())) > 0);
    assert.ok((network.faults.get(fault) ?? 0) >= 3, `${network.faults.get(fault)} faults`);
  });
}

test('concurrent requests of all kinds lose and double nothing over 500 faults', async () => {
  const { network, store, direct } = await through({ seed: 500, rate: 0.3, latency: 1, lateness: 20 });
  const there = new Map<string, TestObject>();
  const total = (): number => [...network.faults.values()].reduce((sum, count) => sum + count, 0);
  const put = async (): Promise<void> => {
    const each = object(Math.floor(Math.random() * 50_000));
    await store.put('data', each.name, [each.bytes]);
    there.set(each.name, each);
  };
  const look = async (): Promise<void> => {
    const [each] = there.values();
    if (each === undefined) return;
    there.delete(each.name);
    assert.equal((await store.stat('data', each.name))?.size, each.bytes.length);
    assert.ok((await store.get('data', each.name)).equals(each.bytes));
    await store.remove('data', each.name);
    assert.equal(await store.stat('data', each.name), undefined);
  };
  while (total() < 500) {
    await Promise.all([put(), put(), put(), put(), put(), look(), look()]);
    assert.deepEqual(await names(store, 'data'), [...there.keys()].sort());
  }
  for (const { name, bytes } of there.values()) assert.ok((await direct.get('data', name)).equals(bytes));
  assert.deepEqual(await names(direct, 'data'), [...there.keys()].sort());
  for (const fault of FAULTS) assert.ok((network.faults.get(fault) ?? 0) > 10, fault);
});

for (const how of ['refusing', 'silent'] as const) {
  test(`a request fails with a clear error in the given time when the server disappears, ${how}`, async () => {
    const notices: string[] = [];
    const given = { retrySeconds: 1, idleTimeoutSeconds: 1, onNotice: (text: string) => void notices.push(text) };
    const { network, store } = await through({ seed: 7, rate: 0 }, given);
    const objects = Array.from({ length: 20 }, () => object(100_000));
    network.after(8, () => network.vanish(how));
    const began = performance.now();
    const puts = objects.map(({ name, bytes }) => store.put('data', name, [bytes]));
    await assert.rejects(
      Promise.all(puts),
      isVarveError(
        'storage',
        /cannot write data\/[0-9a-f]{64} to rest:http:\/\/127\.0\.0\.1:\d+\/repository\/.*; given up after \d+ tries in \d/,
      ),
    );
    // The time for retries, and one idle timeout before and after it.
    assert.ok(performance.now() - began < 4500, `${performance.now() - began} ms`);
    await Promise.allSettled(puts);
    // What is cleaned up then does not wait as long again.
    const cleaning = performance.now();
    await assert.rejects(store.remove('locks', object(1).name));
    assert.ok(performance.now() - cleaning < 3000);
    await sleep(1);
  });
}

test('an interruption ends running requests at once; later requests run once', async () => {
  const abort = new AbortController();
  const given = { signal: abort.signal, idleTimeoutSeconds: 60 };
  const { network, store, direct } = await through({ seed: 3, rate: 0, faults: ['late'], lateness: 30_000 }, given);
  const { name, bytes } = object(1000);
  await store.put('locks', name, [bytes]);
  network.rate = 1;
  const began = performance.now();
  const underWay = [store.put('data', name, [bytes]), store.get('locks', name), names(store, 'locks')];
  setTimeout(() => abort.abort(), 50);
  for (const each of underWay) await assert.rejects(each, isVarveError('interrupted'));
  assert.ok(performance.now() - began < 10_000);
  network.rate = 0;
  await store.remove('locks', name);
  assert.equal(await direct.stat('locks', name), undefined);
  network.vanish('refusing');
  const { requests } = network;
  await assert.rejects(store.stat('locks', name), isVarveError('storage', /refused|broke/));
  assert.equal(network.requests, requests);
});
