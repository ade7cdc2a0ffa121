import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { LimitedStore } from '../../src/storage/guards/limited.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { ObjectInfo, ObjectType } from '../../src/storage/store.js';
import { IdleTimeoutError } from '../../src/storage/transport/idle-timeout.js';
import { object } from './conformance.js';

/** Answers when the test says so. */
class SlowStore extends MemoryStore {
  readonly #answers: (() => void)[] = [];
  readonly began: string[] = [];
  underWay = 0;
  most = 0;

  override async get(_: ObjectType, name: string): Promise<Buffer> {
    await this.#request(name);
    return Buffer.from(name);
  }

  override async *list(): AsyncIterable<ObjectInfo> {
    for (let page = 0; page < 3; page++) {
      await this.#request(`page ${page}`);
      for (let i = 0; i < 1000; i++) yield { name: `${page}-${i}`, size: i };
    }
  }

  answer(): void {
    this.#answers.shift()?.();
  }

  async #request(what: string): Promise<void> {
    this.began.push(what);
    this.underWay++;
    this.most = Math.max(this.most, this.underWay);
    await new Promise<void>((resolve) => this.#answers.push(resolve));
    this.underWay--;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('LimitedStore serves requests in order up to its limit', async () => {
  const slow = new SlowStore();
  const store = new LimitedStore(slow, 3);
  assert.equal(store.connections, 3);
  const wanted = Array.from({ length: 10 }, (_, i) => `object ${i}`);
  const got = Promise.all(wanted.map((name) => store.get('data', name)));
  for (let i = 0; i < 10; i++) {
    await settled();
    assert.deepEqual(slow.began, wanted.slice(0, 3 + i));
    slow.answer();
  }
  assert.deepEqual((await got).map(String), wanted);
  assert.equal(slow.most, 3);
});

test('LimitedStore lowers its limit with each failure, down to one, and raises it with each success', async () => {
  let underWay = 0;
  let most = 0;
  let broken = true;
  /** A connection that breaks unless it is used by one at a time. */
  class Shared extends MemoryStore {
    override async get(): Promise<Buffer> {
      most = Math.max(most, ++underWay);
      await settled();
      const shared = underWay > 1;
      await settled();
      underWay--;
      if (broken && shared) throw new VarveError('storage', 'cut', { retryable: true });
      return Buffer.alloc(0);
    }
  }
  const store = new LimitedStore(new Shared(), 5);
  const first = await Promise.allSettled(Array.from({ length: 5 }, () => store.get('data', 'a')));
  assert.ok(first.every(({ status }) => status === 'rejected'));
  const second = await Promise.allSettled([store.get('data', 'a'), store.get('data', 'b')]);
  assert.equal(second[0]?.status, 'fulfilled');
  assert.equal(store.connections, 5);
  broken = false;
  for (let i = 0; i < 5; i++) await store.get('data', 'a');
  most = 0;
  await Promise.all(Array.from({ length: 20 }, () => store.get('data', 'a')));
  assert.equal(most, 5);
});

test('LimitedStore does not lower its limit for an idle timeout', async () => {
  let most = 0;
  let underWay = 0;
  let isSilent = false;
  class Silent extends MemoryStore {
    override async get(): Promise<Buffer> {
      most = Math.max(most, ++underWay);
      await settled();
      underWay--;
      throw isSilent ? new IdleTimeoutError('store.example', 1) : new VarveError('storage', 'cut', { retryable: true });
    }
  }
  const store = new LimitedStore(new Silent(), 5);
  await Promise.allSettled(Array.from({ length: 5 }, () => store.get('data', 'a')));
  isSilent = true;
  await assert.rejects(store.get('data', 'a'));
  for (let i = 0; i < 3; i++) {
    most = 0;
    await Promise.allSettled(Array.from({ length: 10 }, () => store.get('data', 'a')));
    assert.equal(most, 5);
  }
});

test('a failed request frees its slot for the next', async () => {
  const store = new LimitedStore(new MemoryStore(), 1);
  const { name, bytes } = object(10);
  await assert.rejects(store.get('data', name));
  await store.put('data', name, [bytes]);
  assert.deepEqual(await store.get('data', name), bytes);
});

test('a listing holds its slot while it waits, but not while its reader makes requests', async () => {
  const slow = new SlowStore();
  const store = new LimitedStore(slow, 1);
  const answering = setInterval(() => slow.answer(), 1);
  let names = 0;
  try {
    for await (const { name } of store.list('data')) {
      if (names++ % 500 === 0) assert.equal((await store.get('data', name)).toString(), name);
    }
  } finally {
    clearInterval(answering);
  }
  assert.equal(names, 3000);
  assert.equal(slow.most, 1);
  assert.deepEqual(
    slow.began.filter((each) => each.startsWith('page')),
    ['page 0', 'page 1', 'page 2'],
  );
});
