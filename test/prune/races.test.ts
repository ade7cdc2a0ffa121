import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { editSnapshots } from '../../src/copy/rewrite.js';
import { VarveError } from '../../src/errors/errors.js';
import { writeCondemnations } from '../../src/prune/condemnations.js';
import { HeldLease, listLeases } from '../../src/repository/leases/leases.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { retag } from '../../src/retention/tags.js';
import type { ObjectInfo, ObjectType, Range } from '../../src/storage/store.js';
import { PASSWORD, scratchDirectory } from '../backup/sandbox.js';
import { ForwardingStore } from '../storage/forwarding-store.js';
import { DAY, digest, Prunable } from './repository.js';

/** What the simulation has found: each case as small as it can be. */

const scratch = scratchDirectory();
const digestOfFile = (path: string, bytes: Buffer): string =>
  createHash('sha256').update(`${path}\0`).update(bytes).digest('hex');
let directories = 0;

/** Does something else just before a put, a get or a listing of a type of objects, once. */
class Interrupting extends ForwardingStore {
  readonly #actions = new Map<string, () => Promise<void>>();

  before(call: `${'put' | 'get' | 'list'} ${ObjectType}`, action: () => Promise<void>): void {
    this.#actions.set(call, action);
  }

  async #happens(call: string): Promise<void> {
    const action = this.#actions.get(call);
    this.#actions.delete(call);
    await action?.();
  }

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await this.#happens(`put ${type}`);
    await this.inner.put(type, name, parts);
  }

  override async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    await this.#happens(`get ${type}`);
    return this.inner.get(type, name, range);
  }

  /** What is there neither before nor after what happens in between is not listed: as when all of that went on during the listing. */
  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const before = new Set<string>();
    for await (const { name } of this.inner.list(type)) before.add(name);
    await this.#happens(`list ${type}`);
    for await (const info of this.inner.list(type)) if (before.has(info.name)) yield info;
  }
}

async function interrupted(): Promise<{ prunable: Prunable; store: Interrupting }> {
  let store: Interrupting | undefined;
  const prunable = await Prunable.create(join(scratch, String(directories++)), (inner) => {
    store = new Interrupting(inner);
    return store;
  });
  return { prunable, store: store as unknown as Interrupting };
}

async function only(prunable: Prunable): Promise<StoredSnapshot> {
  const [stored, ...others] = await prunable.sandbox.snapshots();
  assert.equal(others.length, 0);
  return stored as StoredSnapshot;
}

test('backup stores again what was deleted while its machine slept before the snapshot', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  const first = await prunable.backup();
  store.before('put snapshots', async () => {
    await prunable.forget(first);
    prunable.now += DAY;
    await prunable.prune();
    prunable.now += 2 * DAY;
    const { deleted } = await prunable.prune();
    assert.ok(deleted.packs > 0, 'what the backup relied on is gone');
  });
  await prunable.backup();
  assert.equal((await only(prunable)).snapshot.host, 'test');
  await prunable.verify();
});

test('backup removes its snapshot when it cannot verify that it is whole', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a'], 100_000);
  store.before('put snapshots', async () =>
    store.before('list index', async () => {
      throw new VarveError('storage', 'the network is gone');
    }),
  );
  await assert.rejects(prunable.backup(), { code: 'storage' });
  assert.deepEqual(await prunable.sandbox.snapshots(), []);
});

test('prune changes nothing after its machine slept', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  await prunable.forget(await prunable.backup());
  prunable.write(['c'], 100_000);
  await prunable.backup();
  const before = await prunable.names('index');
  store.before('list data', async () => {
    prunable.now += 3600;
  });
  await assert.rejects(prunable.prune(), /^VarveError: this prune was suspended, .*run it again$/);
  assert.deepEqual(await prunable.names('index'), before, 'nothing is condemned');
  await prunable.prune();
  assert.notDeepEqual(await prunable.names('index'), before);
});

test('prune deletes nothing after it slept before the deletion', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  await prunable.forget(await prunable.backup());
  await prunable.prune();
  prunable.now += 2 * DAY;
  const before = await prunable.names('data');
  store.before('list locks', async () => {
    store.before('list locks', async () => {
      prunable.now += 3600;
    });
  });
  await assert.rejects(prunable.prune(), { code: 'locked' });
  assert.deepEqual(await prunable.names('data'), before);
});

test('prune notices a snapshot that is tagged again during the listing', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  await prunable.backup();
  const stored = await only(prunable);
  const repository = await prunable.sandbox.open();
  store.before('list snapshots', async () => {
    await retag(repository, stored, { add: ['x'], remove: [] });
  });
  const { remove } = await prunable.prune();
  assert.equal(remove.packs, 0);
  assert.deepEqual((await only(prunable)).snapshot.tags, ['x']);
});

test('prune finds a snapshot under its new name when it was tagged after the listing', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a'], 100_000);
  await prunable.backup();
  const stored = await only(prunable);
  const tagger = await prunable.sandbox.open();
  const unlock = { password: PASSWORD };
  const reader = await openRepository(prunable.store, { unlock, cacheDirectory: undefined });
  store.before('get snapshots', async () => {
    await retag(tagger, stored, { add: ['x'], remove: [] });
  });
  const { snapshots, failures } = await listSnapshots(reader);
  assert.deepEqual(
    snapshots.map(({ snapshot }) => snapshot.tags),
    [['x']],
  );
  assert.deepEqual(failures, []);
});

test('retag fails when the snapshot is removed at the same time', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a'], 100_000);
  const id = await prunable.backup();
  const stored = await only(prunable);
  const repository = await prunable.sandbox.open();
  store.before('put snapshots', () => prunable.forget(id));
  await assert.rejects(retag(repository, stored, { add: ['x'], remove: [] }), { code: 'not-found' });
  assert.deepEqual((await listSnapshots(repository)).snapshots, []);
});

test('listLeases finds a lease that is refreshed during the listing', async () => {
  const { prunable, store } = await interrupted();
  const repository = await prunable.sandbox.open();
  let refresh: (() => void) | undefined;
  const machine = {
    ...repository.machine,
    every: (_: number, action: () => void) => {
      refresh = action;
      return () => undefined;
    },
  };
  const held = await HeldLease.acquire({ ...repository, machine }, 'backup');
  const before = await prunable.names('locks');
  store.before('list locks', async () => {
    refresh?.();
    while ((await prunable.names('locks')).join() === before.join() || (await prunable.names('locks')).length > 1);
  });
  const leases = await listLeases(repository);
  assert.deepEqual(
    leases.map(({ lease }) => lease.id),
    [held.id],
  );
  await held.release();
});

test('the index uses the copy of a blob that was condemned last', async () => {
  const { prunable } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  const first = await prunable.backup();
  await prunable.forget(first);
  await prunable.prune();
  const old = await prunable.names('data');
  await prunable.backup();
  const repository = await prunable.sandbox.indexed();
  const fresh = [...repository.packs].filter((name) => !old.includes(name));
  const now = (await prunable.store.now()) + 60;
  const times = new Map(repository.objects.flatMap(({ condemned }) => [...condemned]));
  for (const name of fresh) times.set(name, { seconds: Math.floor(now), nanoseconds: 0 });
  await writeCondemnations(repository, times);
  // As when a prune is killed before it has taken off the index what it has deleted.
  for (const name of old) await prunable.store.remove('data', name);
  await prunable.verify();
  const { reinstated } = await prunable.prune();
  assert.equal(reinstated.packs, fresh.length);
  await prunable.verify();
});

test('backup of a stream goes on when a prune condemns what it relies on', async () => {
  const { prunable, store } = await interrupted();
  const bytes = randomBytes(300_000);
  const stream = () => ({ path: Buffer.from('/stream'), bytes: Readable.from([bytes]) });
  const first = await prunable.sandbox.backup({ sources: stream() });
  store.before('put snapshots', async () => {
    await prunable.forget(first.id as string);
    const { remove } = await prunable.prune();
    assert.ok(remove.packs > 0, 'what the backup relies on is condemned');
  });
  const second = await prunable.sandbox.backup({ sources: stream() });
  assert.deepEqual(
    (await prunable.sandbox.snapshots()).map(({ id }) => id),
    [second.id],
  );
  prunable.now += 3 * DAY;
  await prunable.prune();
  const { reinstated, deleted } = await prunable.prune();
  assert.equal(reinstated.packs + deleted.packs, 0, 'the snapshot needs nothing that was condemned');
  const expected = digestOfFile('/stream', bytes);
  assert.equal(await digest(await prunable.sandbox.open(), second.snapshot.root), expected);
});

test('rewrite copies what a prune has condemned', async () => {
  const { prunable } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  await prunable.backup();
  const repository = await prunable.sandbox.indexed();
  const now = { seconds: Math.floor(await prunable.store.now()), nanoseconds: 0 };
  await writeCondemnations(repository, new Map([...repository.packs].map((name) => [name, now])));
  const options = { excludes: ['b'], iexcludes: [], summary: false, forget: true, compression: 'off' } as const;
  const result = await editSnapshots(repository, await prunable.sandbox.snapshots(), options);
  assert.deepEqual(result, { changed: 1, failed: 0 });
  for (const name of repository.packs) await prunable.store.remove('data', name);
  const { snapshot } = await only(prunable);
  await prunable.sandbox.restoreSource(snapshot.root);
});

test('check does not report what a prune removes with its snapshot at the same time', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  const first = await prunable.backup();
  prunable.write(['a', 'b'], 100_000);
  await prunable.backup();
  let deleted = 0;
  store.before('list data', async () => {
    await prunable.forget(first);
    await prunable.prune();
    prunable.now += 2 * DAY;
    deleted = (await prunable.prune()).deleted.packs;
  });
  const { findings, brokenPacks, suggestRepairIndex } = await check(await prunable.sandbox.open());
  assert.ok(deleted > 0);
  assert.deepEqual([findings.map(({ message }) => message), brokenPacks, suggestRepairIndex], [[], [], false]);
});

test('check reports a missing pack while snapshots are forgotten', async () => {
  const { prunable, store } = await interrupted();
  prunable.write(['a', 'b'], 100_000);
  const first = await prunable.backup();
  const packs = await prunable.names('data');
  prunable.write(['c'], 100_000);
  await prunable.backup();
  const lost = packs[0] as string;
  await prunable.store.remove('data', lost);
  store.before('list data', () => prunable.forget(first));
  const { findings, brokenPacks } = await check(await prunable.sandbox.open());
  assert.deepEqual(brokenPacks, [lost]);
  assert.equal(findings.length, 1);
});
