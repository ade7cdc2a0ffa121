import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { CacheDirectory } from '../../src/storage/cached/cache-directory.js';
import { CachedStore } from '../../src/storage/cached/cached-store.js';
import { openGuarded } from '../../src/storage/guards/guard.js';
import { LimitedStore } from '../../src/storage/guards/limited.js';
import { LoggedStore } from '../../src/storage/guards/logged.js';
import { isForgotten, isLongEnough, longestPause } from '../../src/storage/lock-term.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { openStore } from '../../src/storage/open-store.js';
import type { StoreSettings } from '../../src/storage/settings.js';
import type { LockedType, Store } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';
import { object } from './conformance.js';
import { FaultyStore } from './faulty-store.js';
import { LockingStore } from './locking-store.js';
import { TestClock } from './test-clock.js';

const MONTH = 30 * 24 * 3600;
const scratch = mkdtempSync(join(tmpdir(), 'varve-extending-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const settings = (more: Partial<StoreSettings> = {}): StoreSettings => ({
  environment: {},
  extended: new Map(),
  idleTimeoutSeconds: 300,
  retrySeconds: 900,
  ...more,
});

/** All that stands between varve and a store. */
async function wrapped(inner: Store, clock = new TestClock()): Promise<Store> {
  const guarded = await openGuarded('test:', async () => inner, settings({ onDebug: () => undefined }), clock);
  return new CachedStore(guarded, CacheDirectory.open(join(scratch, 'cache')) as CacheDirectory);
}

test('guards and the cache forward extend and the term of locks', async () => {
  const now = { seconds: 1_800_000_000 };
  const inner = new LockingStore(MONTH, () => now.seconds);
  const { name, bytes } = object(100);
  await inner.put('data', name, [bytes]);
  const store = await wrapped(inner);
  assert.equal(store.lockSeconds, MONTH);
  now.seconds += MONTH;
  assert.equal(await store.extend?.('data', name), now.seconds + MONTH);
  assert.equal(inner.locks.get(`data/${name}`), now.seconds + MONTH);
  await assert.rejects(async () => store.extend?.('index', name), isVarveError('not-found'));
});

test('guards offer no extend when the store has none', async () => {
  const store = await wrapped(new MemoryStore());
  assert.equal(store.lockSeconds, undefined);
  assert.equal(store.extend, undefined);
});

test('extend is retried after a failure', async () => {
  const faulty = FaultyStore.times(new LockingStore(MONTH), 3, 'before', 'extend');
  const clock = new TestClock();
  const { name, bytes } = object(100);
  const store = await wrapped(faulty, clock);
  await store.put('data', name, [bytes]);
  assert.ok(Number(await store.extend?.('data', name)) > 0);
  assert.deepEqual(faulty.asked, ['put', 'extend', 'extend', 'extend', 'extend']);
  assert.deepEqual(clock.waits, [500, 1000, 2000]);
});

test('extend counts against the limit of requests', async () => {
  const began: string[] = [];
  class Endless extends LockingStore {
    override extend(_: LockedType, name: string): Promise<number> {
      began.push(name);
      return new Promise(() => undefined);
    }
  }
  const store = new LimitedStore(new Endless(MONTH), 2);
  for (const name of ['a', 'b', 'c']) void store.extend?.('data', name);
  await settled();
  assert.deepEqual(began, ['a', 'b']);
});

test('the log has a line for extend', async () => {
  const lines: string[] = [];
  const inner = new LockingStore(3600, () => Date.UTC(2026, 0, 31, 12) / 1000);
  const { name, bytes } = object(100);
  await inner.put('data', name, [bytes]);
  await new LoggedStore(inner, (line) => lines.push(line)).extend?.('data', name);
  assert.match(lines.join('\n'), new RegExp(` extend {2}data/${name} until 2026-01-31T13:00:00.000Z [\\d.]+ ms ok$`));
});

test('a lock is long enough for a quarter of its term, and overdue after half of it', () => {
  const [put, term] = [1_800_000_000, 1000];
  const until = put + term;
  assert.deepEqual([isLongEnough(until, put + 250, term), isLongEnough(until, put + 251, term)], [true, false]);
  assert.deepEqual([isForgotten(until, put + 500, term), isForgotten(until, put + 501, term)], [false, true]);
  assert.equal(longestPause(term), 250);
});

test('stores without locks refuse Object Lock', async () => {
  for (const place of ['/nowhere', 'local:/nowhere', 'sftp:host:/x', 'rest:http://host/', 'rclone:x:y'])
    await assert.rejects(
      openStore(place, settings({ lockSeconds: MONTH })),
      isVarveError('usage', /--object-lock: .* has no Object Lock, only S3 has/),
      place,
    );
});
