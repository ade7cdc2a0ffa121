import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DATA } from '../../src/format/content.js';
import { encodeLease } from '../../src/format/lease.js';
import { prune } from '../../src/prune/prune.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { removeKeySlot } from '../../src/repository/keys/key-slots.js';
import { HeldLease, listLeases } from '../../src/repository/leases/leases.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { putSigned } from '../../src/repository/repository.js';
import { listSnapshots, writeSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import type { ObjectInfo, ObjectType, Range, Store } from '../../src/storage/store.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { ForwardingStore } from '../storage/forwarding-store.js';
import { DAY, digest, PACK, Prunable } from './repository.js';

const scratch = scratchDirectory();
let directories = 0;
const fresh = (wrap?: (store: Store) => Store): Promise<Prunable> =>
  Prunable.create(join(scratch, String(directories++)), wrap);

const OPTIONS = {
  maxUnused: { bytes: 0 },
  maxRepack: Number.POSITIVE_INFINITY,
  repackSmall: false,
  graceSeconds: DAY,
  dryRun: false,
} as const;

/** Two snapshots that share half of their files; the first is forgotten. */
async function halfForgotten(prunable: Prunable): Promise<string> {
  prunable.write(['a', 'b', 'c', 'd', 'e', 'f']);
  const first = await prunable.backup();
  for (const name of ['a', 'c', 'e']) prunable.remove(name);
  prunable.write(['g']);
  const second = await prunable.backup();
  await prunable.forget(first);
  return second;
}

test('prune condemns unneeded packs first and deletes them after the grace time', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  const before = await prunable.bytes();
  const first = await prunable.prune();
  assert.ok(first.repack.packs + first.remove.packs > 0);
  assert.equal(first.deleted.packs, 0);
  assert.equal(first.waiting.packs, first.repack.packs + first.remove.packs);
  assert.ok((await prunable.bytes()) > before, 'the copies are there, and the old packs still');
  await prunable.verify();
  prunable.now += DAY / 2;
  assert.equal((await prunable.prune()).deleted.packs, 0, 'half of the grace time has passed');
  prunable.now += DAY / 2;
  const last = await prunable.prune();
  assert.equal(last.deleted.packs, first.waiting.packs);
  assert.equal(last.waiting.packs, 0);
  assert.equal(last.repack.packs + last.remove.packs, 0, 'nothing more to do');
  const after = await prunable.bytes();
  assert.ok(after < before * 0.75, `${after} of ${before} bytes`);
  await prunable.verify();
  const indexed = await loadIndex(await prunable.sandbox.open());
  const stored = await prunable.names('data');
  assert.deepEqual([...indexed.packs].sort(), stored, 'the index lists what there is');
  assert.equal((await prunable.prune()).deleted.packs, 0);
});

test('prune deletes at once when there is no grace time', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  const before = await prunable.bytes();
  const result = await prunable.prune({ graceSeconds: 0 });
  assert.ok(result.deleted.packs > 0);
  assert.equal(result.waiting.packs, 0);
  assert.ok((await prunable.bytes()) < before * 0.75);
  await prunable.verify();
  const { index } = await loadIndex(await prunable.sandbox.open());
  assert.equal(index.shared.usable, index.size, 'no condemned pack is listed any more');
});

test('prune --dry-run changes nothing and reports what a run would do', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  const before = [await prunable.names('data'), await prunable.names('index'), await prunable.names('locks')];
  const dry = await prunable.prune({ dryRun: true });
  assert.deepEqual(
    [await prunable.names('data'), await prunable.names('index'), await prunable.names('locks')],
    before,
  );
  const wet = await prunable.prune({ graceSeconds: 0 });
  for (const key of ['blobs', 'bytes', 'keep', 'remove', 'repack', 'orphans'] as const)
    assert.deepEqual(dry[key], wet[key], key);
  assert.ok(dry.repack.packs + dry.remove.packs > 0);
});

test('backup copies packs that a prune condemns while it runs', async () => {
  const prunable = await fresh();
  prunable.write(['a', 'b', 'c']);
  const first = await prunable.backup();
  // The index that the backup relies on is from before the prune.
  const indexed = await loadIndex(await prunable.sandbox.open());
  await prunable.forget(first);
  assert.ok((await prunable.prune()).remove.packs > 0);
  let attempts = 0;
  const again = await prunable.sandbox.backup({ packTarget: PACK, onStart: () => attempts++ }, indexed);
  assert.equal(attempts, 1, 'the files are read once');
  assert.equal(again.summary.files_new, 3);
  const content = await digest(await prunable.sandbox.open(), again.snapshot.root);
  prunable.now += 2 * DAY;
  const result = await prunable.prune();
  assert.ok(result.deleted.packs > 0);
  assert.equal(result.reinstated.packs, 0);
  assert.equal(await digest(await prunable.sandbox.open(), again.snapshot.root), content);
});

test('prune keeps a condemned pack while an older command runs', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  const running = await HeldLease.acquire(await prunable.sandbox.open(), 'backup');
  await prunable.prune();
  prunable.now += 25 * 60;
  const waiting = await prunable.prune({ graceSeconds: 0 });
  assert.equal(waiting.deleted.packs, 0);
  const told = waiting.events.find(({ kind }) => kind === 'waiting');
  assert.ok(
    told?.kind === 'waiting' && /^a backup by .+@.+, process \d+, since 2/.test(told.who),
    JSON.stringify(told),
  );
  await running.release();
  assert.ok((await prunable.prune({ graceSeconds: 0 })).deleted.packs > 0);
  await prunable.verify();
});

test('prune reinstates a condemned pack that a newer snapshot needs', async () => {
  const prunable = await fresh();
  prunable.write(['a', 'b']);
  const id = await prunable.backup();
  const repository = await prunable.sandbox.open();
  const [stored] = (await listSnapshots(repository)).snapshots;
  assert.ok(stored);
  const content = prunable.contents.get(id) as string;
  await prunable.forget(id);
  assert.ok((await prunable.prune()).remove.packs > 0);
  const again = await writeSnapshot(await prunable.sandbox.open(), { ...stored.snapshot, host: 'slow' });
  prunable.contents.set(again, content);
  prunable.now += 2 * DAY;
  const result = await prunable.prune();
  assert.equal(result.deleted.packs, 0);
  assert.ok(result.reinstated.packs > 0);
  assert.equal((await loadIndex(repository)).condemned.size, 0);
  await prunable.verify();
  prunable.now += 2 * DAY;
  await prunable.prune();
  await prunable.verify();
});

test('prune refuses to run beside another prune, but not beside a dead one', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  const repository = await prunable.sandbox.open();
  const time = { seconds: Math.floor(prunable.now), nanoseconds: 0 };
  const lease = { time, since: time, id: randomBytes(16), operation: 'prune', host: 'other', user: 'x', pid: 7 };
  const other = await putSigned(repository, 'lease', encodeLease(lease));
  await assert.rejects(
    prunable.prune(),
    isVarveError('locked', /another prune is at work: a prune by x@other, process 7/),
  );
  assert.equal((await listLeases(repository)).length, 1, 'its own lease is released');
  await prunable.store.remove('locks', other);
  await putSigned(repository, 'lease', encodeLease({ ...lease, host: hostname(), pid: 2 ** 22 + 7 }));
  assert.ok((await prunable.prune()).waiting.packs > 0);
});

test('prune refuses an append key', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  await prunable.sandbox.addKey('append', 'robot');
  await prunable.sandbox.addKey('manage', 'keeper');
  const open = (password: string) =>
    openRepository(prunable.store, { unlock: { password }, cacheDirectory: undefined });
  await assert.rejects(prune(await open('robot'), OPTIONS), isVarveError('role'));
  const result = await prune(await open('keeper'), { ...OPTIONS, packTarget: PACK, graceSeconds: 0 });
  assert.ok(result.deleted.packs > 0, 'a manage key copies frames that it cannot open');
  await prunable.verify();
});

test('prune copies only the needed blobs of a frame when the key opens it', async () => {
  const prunable = await fresh();
  const names = Array.from({ length: 40 }, (_, number) => `small ${number}`);
  prunable.write(names, 30_000);
  const first = await prunable.backup();
  for (const [number, name] of names.entries()) if (number % 4 > 0) prunable.remove(name);
  await prunable.backup();
  await prunable.forget(first);
  await prunable.sandbox.addKey('manage', 'keeper');
  const unlock = { password: 'keeper' };
  const keeper = await openRepository(prunable.store, { unlock, cacheDirectory: undefined });
  const options = { ...OPTIONS, packTarget: PACK, graceSeconds: 0 };
  const byKeeper = await prune(keeper, options);
  assert.ok(byKeeper.blobs.unused > 30);
  await prunable.verify();
  const before = await prunable.bytes();
  const full = await prunable.prune({ graceSeconds: 0 });
  assert.ok(full.blobs.unused > 30, 'the manage key copied the frames of data as they are');
  assert.ok(full.bytes.unused > 0.7 * 40 * 30_000 * 0.9, `${full.bytes.unused} bytes`);
  await prunable.verify();
  const last = await prunable.prune({ dryRun: true });
  assert.equal(last.blobs.unused, 0);
  assert.equal(last.bytes.unused, 0);
  assert.ok((await prunable.bytes()) < before * 0.4);
});

test('prune opens frames with little waste when no waste may stay', async () => {
  const prunable = await fresh();
  const names = Array.from({ length: 120 }, (_, number) => `small ${number}`);
  prunable.write(names, 5000);
  const first = await prunable.backup();
  prunable.remove('small 60');
  await prunable.backup();
  await prunable.forget(first);
  assert.ok((await prunable.prune({ graceSeconds: 0 })).blobs.unused > 0);
  assert.equal((await prunable.prune({ dryRun: true })).blobs.unused, 0);
  await prunable.verify();
});

/** Tells which packs were asked for whole. */
class WatchedDirectory extends LocalStore {
  readonly whole: string[] = [];

  override get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    if (type === 'data' && range === undefined) this.whole.push(name);
    return super.get(type, name, range);
  }
}

test('prune copies packs from their files, also behind a cache', async () => {
  const directory = join(scratch, 'watched');
  const store = new WatchedDirectory(directory);
  const prunable = await fresh(() => store);
  await halfForgotten(prunable);
  store.whole.length = 0;
  assert.ok((await prunable.prune()).copied.packs > 0);
  const repository = await prunable.sandbox.open();
  const { packs, index } = await loadIndex(repository);
  const contents = [...packs].filter((_, pack) => index.packKind(pack) === DATA);
  assert.deepEqual(
    store.whole.filter((name) => contents.includes(name)),
    [],
  );
});

test('prune --repack-uncompressed compresses only where that saves space', async () => {
  const prunable = await fresh();
  const text = (seed: string): string => Array.from({ length: 300_000 }, (_, line) => `${seed} ${line}\n`).join('');
  mkdirSync(prunable.sandbox.source, { recursive: true });
  for (const name of ['x', 'y', 'z']) writeFileSync(join(prunable.sandbox.source, name), text(name));
  const plain = await prunable.sandbox.backup({ packTarget: PACK, compression: 'off' });
  prunable.contents.set(plain.id as string, await digest(await prunable.sandbox.open(), plain.snapshot.root));
  prunable.write(['noise']);
  await prunable.backup();
  const before = await prunable.bytes();
  assert.equal((await prunable.prune({ graceSeconds: 0 })).copied.packs, 0);
  const options = { graceSeconds: 0, repackUncompressed: true };
  assert.ok((await prunable.prune(options)).copied.packs > 0);
  await prunable.verify();
  assert.ok((await prunable.bytes()) < before - 2_000_000);
  const again = await prunable.prune(options);
  assert.equal(again.copied.packs, 0, 'noise is not copied again and again');
  assert.equal(again.deleted.packs, 0);
  await prunable.sandbox.addKey('manage', 'keeper');
  const keeper = await openRepository(prunable.store, { unlock: { password: 'keeper' }, cacheDirectory: undefined });
  await assert.rejects(prune(keeper, { ...OPTIONS, repackUncompressed: true }), isVarveError('role'));
});

test('prune removes packs that no index object lists and no running command will list', async () => {
  const prunable = await fresh();
  prunable.write(['a', 'b']);
  await prunable.backup();
  const orphan = 'ab'.repeat(32);
  await prunable.beneath.plant('data', orphan, randomBytes(1000));
  const isDated = (await prunable.store.stat('data', orphan))?.modified !== undefined;
  if (isDated) assert.equal((await prunable.prune({ graceSeconds: 7 * DAY })).orphans.packs, 0, 'it is new');
  prunable.now += 2 * DAY;
  const result = await prunable.prune({ graceSeconds: 7 * DAY });
  assert.equal(result.orphans.packs, 1);
  assert.ok((await prunable.names('data')).includes(orphan));
  prunable.now += 8 * DAY;
  assert.equal((await prunable.prune({ graceSeconds: 7 * DAY })).deleted.packs, 1);
  assert.ok(!(await prunable.names('data')).includes(orphan));
  await prunable.verify();
});

/** Tells no times, as REST does not. */
class Undated extends ForwardingStore {
  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    for await (const { name, size } of super.list(type)) yield { name, size };
  }
}

test('prune removes unlisted packs only without any lease when the store reports no times', async () => {
  const prunable = await fresh((store) => new Undated(store));
  prunable.write(['a'], 100_000);
  await prunable.backup();
  await prunable.beneath.plant('data', 'ab'.repeat(32), randomBytes(1000));
  const repository = await prunable.sandbox.open();
  const time = { seconds: Math.floor(prunable.now), nanoseconds: 0 };
  const lease = { time, since: time, id: randomBytes(16), operation: 'backup', host: 'other', user: 'x', pid: 7 };
  const name = await putSigned(repository, 'lease', encodeLease(lease));
  assert.equal((await prunable.prune()).orphans.packs, 0);
  prunable.now += 2 * DAY;
  assert.equal((await prunable.prune()).orphans.packs, 0, 'the next backup looks for what that one has stored');
  await prunable.store.remove('locks', name);
  assert.equal((await prunable.prune()).orphans.packs, 1);
  await prunable.verify();
});

test('prune removes nothing when something that snapshots need is missing or damaged', async () => {
  const prunable = await fresh();
  const second = await halfForgotten(prunable);
  const unchanged = async (): Promise<void> => {
    const before = await prunable.names('data');
    await assert.rejects(
      prunable.prune({ graceSeconds: 0 }),
      isVarveError('damaged', /nothing is removed|run `varve check`/),
    );
    assert.deepEqual(await prunable.names('data'), before);
  };
  const other = 'cd'.repeat(32);
  await prunable.beneath.plant('snapshots', other, randomBytes(300));
  await unchanged();
  await prunable.store.remove('snapshots', other);
  const { index, ...repository } = await loadIndex(await prunable.sandbox.open());
  const stored = (await listSnapshots(repository)).snapshots.find(({ id }) => id === second);
  const name = index.packName(index.locate(index.find(stored?.snapshot.root.ids as Buffer)).pack);
  const bytes = await prunable.store.get('data', name);
  await prunable.store.remove('data', name);
  await unchanged();
  await prunable.store.put('data', name, [bytes]);
  await prunable.prune({ graceSeconds: 0 });
  await prunable.verify();
});

test('prune keeps a damaged pack and does not copy it', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  const dry = await prunable.prune({ dryRun: true });
  assert.ok(dry.repack.packs > 0);
  const flipped = new Set<string>();
  const indexed = await loadIndex(await prunable.sandbox.open());
  for (let pack = 0; pack < indexed.index.packCount; pack++) {
    if (indexed.index.packKind(pack) !== 1) continue;
    const name = indexed.index.packName(pack);
    await prunable.beneath.change('data', name, (bytes) => bytes.fill((bytes[10] as number) ^ 1, 10, 11));
    flipped.add(name);
  }
  const result = await prunable.prune({ graceSeconds: 0 });
  assert.ok(result.errors > 0);
  const told = result.events.filter(({ kind }) => kind === 'not-copied');
  assert.equal(told.length, result.errors);
  const left = await prunable.names('data');
  const needed = [...flipped].filter((name) => told.some((event) => JSON.stringify(event).includes(name)));
  assert.equal(needed.length, result.errors);
  for (const name of needed) assert.ok(left.includes(name), 'what is damaged may still be of use');
});

test('--max-repack-size limits the copying, and --max-unused leaves waste', async () => {
  const prunable = await fresh();
  await halfForgotten(prunable);
  const all = await prunable.prune({ dryRun: true });
  const none = await prunable.prune({ dryRun: true, maxRepack: 0 });
  assert.equal(none.repack.packs, 0);
  assert.equal(none.remove.packs, all.remove.packs);
  assert.ok(none.bytes.remainingUnused > 0);
  const lax = await prunable.prune({ dryRun: true, maxUnused: { part: 0.99 } });
  assert.ok(lax.repack.packs < all.repack.packs);
  assert.ok(lax.bytes.remainingUnused > all.bytes.remainingUnused);
});

/** More than the index objects that prune leaves as they are. */
const BACKUPS = 34;

test('prune --repack-small after many small backups', async (t) => {
  const prunable = await fresh();
  for (let round = 0; round < BACKUPS; round++) {
    prunable.write([`file ${round}`], 3000);
    await prunable.backup();
  }

  await t.test('nobody relies on what a revoked key wrote when prune merges index objects', async () => {
    await prunable.sandbox.addKey('append', 'robot');
    const robot = await openRepository(prunable.store, { unlock: { password: 'robot' }, cacheDirectory: undefined });
    prunable.write(['planted'], 3000);
    await prunable.sandbox.backup({}, await loadIndex(robot));
    const slot = Buffer.from(robot.identity.slot).toString('hex');
    await removeKeySlot(await prunable.sandbox.open(), slot, { ignoreSince: 0, force: false });
    for await (const { name } of prunable.store.list('snapshots'))
      if (!prunable.contents.has(name)) await prunable.store.remove('snapshots', name);
    const { index, objects } = await loadIndex(await prunable.sandbox.open());
    assert.ok(index.shared.usable < index.size && objects.length > 32);
    await prune(await prunable.sandbox.open(), { ...OPTIONS, packTarget: PACK, maxUnused: { bytes: 10 ** 9 } });
    const after = await loadIndex(await prunable.sandbox.open());
    assert.ok(after.objects.length < 5, 'small index objects are put together');
    assert.ok(after.index.shared.usable < index.size);
    const packs = Array.from({ length: after.index.packCount }, (_, pack) => pack);
    const planted = packs.filter((pack) => after.index.packWriter(pack) === slot);
    assert.ok(planted.length > 0 && !planted.some((pack) => after.index.isVouched(pack)));
  });

  await t.test('small packs are put together', async () => {
    const before = await prunable.names('data');
    const result = await prunable.prune({ repackSmall: true, graceSeconds: 0 });
    const after = await prunable.names('data');
    const told = `${before.length} → ${after.length} packs`;
    assert.ok(result.repack.packs >= 2 * BACKUPS && after.length <= before.length / 8, told);
    assert.ok((await prunable.names('index')).length <= 5);
    await prunable.verify();
  });
});
