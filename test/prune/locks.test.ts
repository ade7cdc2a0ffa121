import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { type LockedType, objectPath } from '../../src/storage/store.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { LockingStore } from '../storage/locking-store.js';
import { DAY, Prunable } from './repository.js';

const scratch = scratchDirectory();
const TERM = 30 * DAY;
let number = 0;

interface Locked {
  readonly prunable: Prunable;
  readonly store: LockingStore;
  /** Paths of all that is there, but leases. */
  paths(): Promise<Set<string>>;
}

async function locked(Kind: typeof LockingStore = LockingStore): Promise<Locked> {
  const clock = { now: () => Date.now() / 1000 };
  const store = new Kind(TERM, () => clock.now());
  const prunable = await Prunable.create(join(scratch, String(number++)), () => store);
  clock.now = () => prunable.now;
  const paths = async (): Promise<Set<string>> => {
    const all = new Set(['config']);
    for (const type of ['keys', 'snapshots', 'index', 'data'] as const)
      for (const name of await prunable.names(type)) all.add(objectPath(type, name));
    return all;
  };
  return { prunable, store, paths };
}

test('prune extends the locks of what stays, not of condemned packs, even with nothing to remove', async () => {
  const { prunable, store, paths } = await locked();
  prunable.write(['a', 'b']);
  const first = await prunable.backup();
  prunable.remove('a');
  prunable.write(['c']);
  await prunable.backup();
  const before = await paths();
  prunable.now += 10 * DAY;
  const { locked: kept } = await prunable.prune();
  assert.deepEqual(new Set(store.asked), before);
  for (const path of before) assert.equal(store.locks.get(path), prunable.now + TERM, path);
  assert.deepEqual(kept, { objects: before.size, until: prunable.now + TERM });

  await prunable.forget(first);
  store.asked.length = 0;
  const condemnedBefore = new Map(store.locks);
  prunable.now += 10 * DAY;
  const { waiting } = await prunable.prune();
  assert.ok(waiting.packs > 0);
  const { condemned } = await prunable.sandbox.indexed();
  for (const path of await paths()) {
    const name = path.slice(path.indexOf('/') + 1);
    const expected = condemned.has(name) ? condemnedBefore.get(path) : prunable.now + TERM;
    assert.equal(store.locks.get(path), expected, path);
  }
  for (const path of store.asked) assert.ok(!condemned.has(path.slice('data/'.length)), path);
});

test('prune asks nothing about remembered locks, and once about new objects', async () => {
  const { prunable, store, paths } = await locked();
  prunable.write(['a']);
  await prunable.backup();
  await prunable.prune();
  assert.deepEqual(new Set(store.asked), await paths());
  store.asked.length = 0;
  prunable.now += 7 * DAY;
  assert.equal((await prunable.prune()).locked?.objects, (await paths()).size);
  assert.deepEqual(store.asked, []);

  const before = await paths();
  prunable.write(['b']);
  await prunable.backup();
  await prunable.prune();
  const fresh = [...(await paths())].filter((path) => !before.has(path));
  assert.deepEqual(new Set(store.asked), new Set(fresh));
});

test('prune applies a longer term at once, and remembers locks for each location', async () => {
  for (const change of [{ lockSeconds: 2 * TERM }, { location: 'memory:copy' }]) {
    const { prunable, store, paths } = await locked();
    prunable.write(['a']);
    await prunable.backup();
    await prunable.prune();
    store.asked.length = 0;
    Object.assign(store, change);
    await prunable.prune();
    assert.deepEqual(new Set(store.asked), await paths());
  }
});

test('prune --dry-run locks nothing', async () => {
  const { prunable, store } = await locked();
  prunable.write(['a']);
  await prunable.backup();
  const { locked: kept } = await prunable.prune({ dryRun: true });
  assert.deepEqual([store.asked, kept], [[], undefined]);
});

test('prune reports when it may not lock, and remembers earlier locks', async () => {
  class Refusing extends LockingStore {
    allowed = 3;
    override extend(type: LockedType, name: string): Promise<number> {
      if (this.allowed-- <= 0) return Promise.reject(new VarveError('denied', `cannot lock ${type}/${name}`));
      return super.extend(type, name);
    }
  }
  const { prunable, store, paths } = await locked(Refusing);
  prunable.write(['a']);
  await prunable.backup();
  await assert.rejects(prunable.prune(), isVarveError('denied', /cannot lock/));
  assert.equal(store.asked.length, 3);
  (store as Refusing).allowed = Number.POSITIVE_INFINITY;
  await prunable.prune();
  assert.equal(store.asked.length, (await paths()).size);
});

test('prune skips objects that were removed while it locks', async () => {
  class Vanishing extends LockingStore {
    override async extend(type: LockedType, name: string): Promise<number> {
      if (type === 'snapshots') await this.remove(type, name);
      return super.extend(type, name);
    }
  }
  const { prunable, paths } = await locked(Vanishing);
  prunable.write(['a']);
  await prunable.backup();
  assert.equal((await prunable.prune()).locked?.objects, (await paths()).size);
});

test('prune stops locking when it is interrupted', async () => {
  const { prunable, store } = await locked();
  prunable.write(['a']);
  await prunable.backup();
  const controller = new AbortController();
  const onEvent = ({ kind }: { kind: string }): void => {
    if (kind === 'locked') controller.abort();
  };
  await assert.rejects(prunable.prune({ signal: controller.signal, onEvent }), isVarveError('interrupted'));
  assert.ok(store.asked.length > 0 && store.asked.length <= 5);
});
