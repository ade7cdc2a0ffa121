import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { ALL } from '../../src/check/subset.js';
import { VarveError } from '../../src/errors/errors.js';
import { DATA } from '../../src/format/content.js';
import { encodeLease } from '../../src/format/lease.js';
import type { RepairIndexOptions, RepairIndexResult } from '../../src/repair/options.js';
import { repairIndex } from '../../src/repair/repair-index.js';
import {
  condemnations,
  condemnedSince,
  FORGOTTEN_PACKS,
  type IndexedRepository,
  loadIndex,
  packsOf,
  writeIndex,
} from '../../src/repository/index/index-store.js';
import { removeKeySlot } from '../../src/repository/keys/key-slots.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { putSigned } from '../../src/repository/repository.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { DAY, Prunable } from '../prune/repository.js';
import { Dying, imageOf, reset } from '../storage/dying-store.js';

const scratch = scratchDirectory();
let number = 0;
type Wrap = Parameters<typeof Prunable.create>[1];

async function repaired(prunable: Prunable, options?: RepairIndexOptions): Promise<RepairIndexResult> {
  return repairIndex(await prunable.sandbox.open(), options);
}

async function indexed(prunable: Prunable): Promise<IndexedRepository> {
  return loadIndex(await prunable.sandbox.open());
}

async function assertSound(prunable: Prunable): Promise<void> {
  const { findings, orphans } = await check(await prunable.sandbox.open(), { readData: ALL, threads: 1 });
  assert.deepEqual([findings.map(({ message }) => message), orphans.count], [[], 0]);
  await prunable.verify();
}

/** Two backups: several packs, several index objects. */
async function twoBackups(wrap?: Wrap): Promise<Prunable> {
  const prunable = await Prunable.create(join(scratch, String(number++)), wrap);
  prunable.write(['a', 'b'], 750_000);
  await prunable.backup();
  prunable.write(['c'], 750_000);
  await prunable.backup();
  return prunable;
}

const flipped = (bytes: Buffer, at: number): Buffer => {
  const out = Buffer.from(bytes);
  out[at] = (out[at] as number) ^ 1;
  return out;
};

test('repair index leaves a sound index as it is', async () => {
  const prunable = await twoBackups();
  const before = await prunable.names('index');
  const result = await repaired(prunable);
  assert.deepEqual(
    [result.added, result.corrected, result.missing, result.written, result.replaced],
    [0, 0, 0, [], []],
  );
  assert.deepEqual(await prunable.names('index'), before);
  assert.deepEqual(await prunable.names('locks'), []);
});

test('repair index lists all packs again when there is no index object', async () => {
  const prunable = await twoBackups();
  for (const name of await prunable.names('index')) await prunable.store.remove('index', name);
  const packs = (await prunable.names('data')).length;
  const dry = await repaired(prunable, { dryRun: true });
  assert.deepEqual([dry.added, dry.written, await prunable.names('index')], [packs, [], []]);
  assert.equal((await repaired(prunable)).added, packs);
  await assertSound(prunable);
});

test('repair index replaces and removes a damaged index object, which stays replaced if it returns', async () => {
  const prunable = await twoBackups();
  const [name] = await prunable.names('index');
  const bytes = await prunable.store.get('index', name as string);
  await prunable.beneath.plant('index', name as string, flipped(bytes, 50));
  const result = await repaired(prunable);
  assert.deepEqual([result.damagedObjects, result.replaced], [1, [name]]);
  assert.ok(!(await prunable.names('index')).includes(name as string));
  await assertSound(prunable);
  await prunable.store.put('index', name as string, [bytes]);
  assert.deepEqual((await indexed(prunable)).replaced, [name]);
});

test('repair index believes a sound pack over the index', async () => {
  const prunable = await twoBackups();
  const repository = await indexed(prunable);
  const [first, second] = repository.objects;
  const [pack] = await packsOf(repository, first?.name as string);
  const [other] = await packsOf(repository, second?.name as string);
  assert.ok(pack !== undefined && other !== undefined);
  for (const { name } of repository.objects) await prunable.store.remove('index', name);
  // Both packs are there, and what else the objects listed is to stay.
  const lies = await writeIndex(repository, [{ ...pack, record: other.record }, other]);
  const size = await writeIndex(repository, [{ ...other, size: other.size + 1 }]);
  const result = await repaired(prunable);
  assert.equal(result.corrected, 2);
  assert.deepEqual([...result.replaced].sort(), [lies, size].sort());
  await assertSound(prunable);
});

test('repair index believes the index over a damaged pack', async () => {
  const prunable = await twoBackups();
  const [name] = await prunable.names('data');
  const bytes = await prunable.store.get('data', name as string);
  const before = await prunable.names('index');
  for (const damaged of [bytes.subarray(0, 1000), flipped(bytes, bytes.length - 150)]) {
    await prunable.beneath.plant('data', name as string, damaged);
    const result = await repaired(prunable);
    assert.deepEqual([result.damagedPacks, result.written], [[name], []]);
    assert.deepEqual(await prunable.names('index'), before);
  }
  // Another pack's bytes: a directory that opens.
  const [, other] = await prunable.names('data');
  await prunable.beneath.plant('data', name as string, await prunable.store.get('data', other as string));
  assert.deepEqual((await repaired(prunable)).damagedPacks, [name]);
  assert.deepEqual(await prunable.names('index'), before);
});

test('repair index drops missing packs, and a backup stores again what it still finds', async () => {
  const prunable = await twoBackups();
  const before = await indexed(prunable);
  const { index } = before;
  const name = index.packName(
    Array.from({ length: index.packCount }).findIndex((_, at) => index.packKind(at) === DATA),
  );
  await prunable.store.remove('data', name);
  const result = await repaired(prunable);
  assert.equal(result.missing, 1);
  const after = await indexed(prunable);
  assert.ok(!after.packs.has(name));
  assert.ok(after.condemned.has(name), 'what runs must store it anew');
  assert.ok((await condemnedSince(before)).has(name));
  await prunable.sandbox.backup({ parent: undefined });
  await assertSound(prunable);
});

test('repair index keeps the time of each condemnation', async () => {
  const prunable = await twoBackups();
  const [first] = [...prunable.contents.keys()];
  prunable.remove('a');
  await prunable.backup();
  await prunable.forget(first as string);
  await prunable.forget([...prunable.contents.keys()][0] as string);
  await prunable.prune();
  const before = condemnations(await indexed(prunable));
  assert.ok(before.size > 0);
  prunable.now += DAY / 2;
  for (const readAllPacks of [false, true]) {
    const repository = await indexed(prunable);
    const condemning = repository.objects.find(({ condemned }) => condemned.size > 0);
    const [pack] = (await Promise.all(repository.objects.map(({ name }) => packsOf(repository, name)))).flat();
    assert.ok(pack !== undefined);
    // An object that condemns and says of a pack what is not so.
    await writeIndex(repository, [{ ...pack, size: pack.size + 1 }], {
      replaces: [Buffer.from(condemning?.name as string, 'hex')],
      condemned: [...(condemning?.condemned ?? [])].map(([each, time]) => ({ pack: Buffer.from(each, 'hex'), time })),
    });
    assert.ok((await repaired(prunable, { readAllPacks })).written.length > 0);
    const after = condemnations(await indexed(prunable));
    after.delete(FORGOTTEN_PACKS);
    assert.deepEqual(after, before);
  }
  prunable.now += DAY;
  assert.ok((await prunable.prune()).deleted.packs > 0);
  await assertSound(prunable);
});

test('backup looks for its packs when a condemnation since its start was lost', async () => {
  const prunable = await twoBackups();
  const sleeping = await indexed(prunable);
  const [gone] = await prunable.names('data');
  const condemned = [{ pack: Buffer.from(gone as string, 'hex'), time: { seconds: 1, nanoseconds: 0 } }];
  const object = await writeIndex(sleeping, [], { replaces: [], condemned });
  await prunable.store.remove('data', gone as string);
  // The pack is in no object that is still there, and the one that condemned it is damaged.
  for (const { name } of sleeping.objects) await prunable.store.remove('index', name);
  const bytes = await prunable.store.get('index', object);
  await prunable.beneath.plant('index', object, flipped(bytes, 60));
  await repaired(prunable);
  const since = await condemnedSince(sleeping);
  since.delete(FORGOTTEN_PACKS);
  assert.deepEqual([...since], [gone]);
});

test('backup also looks for the packs that it stored since', async () => {
  const prunable = await twoBackups();
  const sleeping = await indexed(prunable);
  const own = 'ab'.repeat(32);
  const condemned = [{ pack: Buffer.from(FORGOTTEN_PACKS, 'hex'), time: { seconds: 1, nanoseconds: 0 } }];
  await writeIndex(sleeping, [], { replaces: [], condemned });
  assert.ok(!(await condemnedSince(sleeping)).has(own));
  assert.ok((await condemnedSince(sleeping, [own])).has(own));
});

test('repair index keeps replaced index objects from counting again', async () => {
  const prunable = await twoBackups();
  const before = await indexed(prunable);
  const [outdated] = before.objects;
  const packs = await packsOf(before, outdated?.name as string);
  // A prune has taken a pack off the index, and was stopped before it removed the old object.
  const [gone, ...others] = packs.map(({ name }) => name.toString('hex'));
  const replaces = [Buffer.from(outdated?.name as string, 'hex')];
  const kept = packs.filter((pack) => others.includes(pack.name.toString('hex')));
  const newer = await writeIndex(before, kept, { replaces, condemned: [] });
  await prunable.store.remove('data', gone as string);
  await repaired(prunable, { readAllPacks: true });
  const names = await prunable.names('index');
  assert.ok(!names.includes(outdated?.name as string) && !names.includes(newer));
  assert.ok(!(await indexed(prunable)).packs.has(gone as string));
});

test('repair index --read-all-packs rewrites the whole index except for entries of a revoked key', async () => {
  const prunable = await twoBackups();
  await prunable.sandbox.addKey('append', 'robot');
  const robot = await openRepository(prunable.store, { unlock: { password: 'robot' }, cacheDirectory: undefined });
  prunable.write(['d'], 750_000);
  await prunable.sandbox.backup({ packTarget: 4 * 1024 * 1024 }, await loadIndex(robot));
  const own = (await indexed(prunable)).objects.length;
  await removeKeySlot(await prunable.sandbox.open(), Buffer.from(robot.identity.slot).toString('hex'), {
    ignoreSince: 0,
    force: false,
  });
  const usable = (await indexed(prunable)).index.shared.usable;
  const before = await prunable.names('index');
  const result = await repaired(prunable, { readAllPacks: true });
  assert.equal(result.replaced.length, own - 1);
  assert.equal((await indexed(prunable)).index.shared.usable, usable, 'what it listed is not relied on');
  assert.equal((await prunable.names('index')).filter((name) => before.includes(name)).length, 1);
  await assertSound(prunable);
});

test('repair index refuses append keys and running prunes, and prune waits for a repair', async () => {
  const prunable = await twoBackups();
  await prunable.sandbox.addKey('append', 'robot');
  const robot = await openRepository(prunable.store, { unlock: { password: 'robot' }, cacheDirectory: undefined });
  await assert.rejects(repairIndex(robot), isVarveError('role', /cannot repair the index/));
  const repository = await prunable.sandbox.open();
  const time = { seconds: Math.floor(prunable.now), nanoseconds: 0 };
  const lease = { time, since: time, id: randomBytes(16), host: 'other', user: 'x', pid: 7 };
  for (const [operation, action] of [
    ['prune', () => repaired(prunable)],
    ['repair index', () => prunable.prune()],
  ] as const) {
    const name = await putSigned(repository, 'lease', encodeLease({ ...lease, operation }));
    await assert.rejects(action(), (cause: VarveError) => cause.exitCode === 11 && cause.message.includes(operation));
    await prunable.store.remove('locks', name);
  }
  const backup = await putSigned(repository, 'lease', encodeLease({ ...lease, operation: 'backup' }));
  await repaired(prunable);
  await prunable.store.remove('locks', backup);
});

test('repair index removes nothing when it is interrupted at any step, and continues', async () => {
  let dying: Dying | undefined;
  const prunable = await twoBackups((store) => {
    dying = new Dying(store);
    return dying;
  });
  const store = dying as unknown as Dying;
  const repository = await indexed(prunable);
  const [first, second] = repository.objects;
  const [pack] = await packsOf(repository, first?.name as string);
  assert.ok(pack !== undefined);
  // One that lies beside one that is lost.
  await writeIndex(repository, [{ ...pack, size: pack.size + 1 }]);
  await store.remove('index', second?.name as string);
  const image = await imageOf(store);
  const readable = (await indexed(prunable)).packs.size;
  let ended = false;
  let steps = 0;
  for (; !ended; steps++) {
    await reset(store, prunable.beneath, image);
    store.left = steps;
    try {
      await repaired(prunable);
      ended = true;
    } catch (cause) {
      assert.equal(VarveError.from(cause).message, 'the store is gone');
    }
    store.left = Number.POSITIVE_INFINITY;
    assert.ok((await indexed(prunable)).packs.size >= readable, `after step ${steps}`);
    prunable.now += DAY;
    await repaired(prunable);
    await assertSound(prunable);
  }
  assert.ok(steps >= 4, `${steps} steps`);
});

test('repair index reports a damaged unlisted pack and does not list it', async () => {
  const prunable = await twoBackups();
  const name = randomBytes(32).toString('hex');
  await prunable.beneath.plant('data', name, randomBytes(500));
  const result = await repaired(prunable);
  assert.deepEqual([result.damagedPacks, result.added, result.written], [[name], 0, []]);
});
