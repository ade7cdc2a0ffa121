import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { ALL } from '../../src/check/subset.js';
import { VarveError } from '../../src/errors/errors.js';
import { type BlobKind, DATA, TREE } from '../../src/format/content.js';
import type { RepairPacksEvent, RepairPacksResult } from '../../src/repair/options.js';
import { repairPacks } from '../../src/repair/repair-packs.js';
import { condemnedSince, loadIndex } from '../../src/repository/index/index-store.js';
import { openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { DAY, PACK, Prunable } from '../prune/repository.js';
import { Forge } from '../restore/crafted.js';
import { Dying, imageOf, reset } from '../storage/dying-store.js';

const scratch = scratchDirectory();
let number = 0;

type Wrap = Parameters<typeof Prunable.create>[1];

interface Repaired extends RepairPacksResult {
  readonly copies: Map<string, Buffer>;
  readonly events: RepairPacksEvent[];
}

async function repaired(prunable: Prunable, names: readonly string[], repository?: Repository): Promise<Repaired> {
  const copies = new Map<string, Buffer>();
  const events: RepairPacksEvent[] = [];
  const result = await repairPacks(repository ?? (await openUncached(prunable)), names, {
    keepCopy: async (name, bytes) => void copies.set(name, Buffer.from(bytes)),
    onEvent: (event) => void events.push(event),
  });
  return { ...result, copies, events };
}

/** What a cache holds would be saved too. */
function openUncached(prunable: Prunable, password = 'pebble'): Promise<Repository> {
  return openRepository(prunable.store, { unlock: { password }, cacheDirectory: undefined });
}

async function backedUp(wrap?: Wrap): Promise<Prunable> {
  const prunable = await Prunable.create(join(scratch, String(number++)), wrap);
  // The largest pack has several frames.
  prunable.write(['a', 'b'], 3_000_000);
  await prunable.backup(4 * PACK);
  return prunable;
}

/** Names of the packs of a kind, the largest first. */
async function packsOf(prunable: Prunable, kind: BlobKind): Promise<string[]> {
  const { index } = await loadIndex(await openUncached(prunable));
  const packs = Array.from({ length: index.packCount }, (_, pack) => pack);
  const ofKind = new Set(packs.filter((pack) => index.packKind(pack) === kind).map((pack) => index.packName(pack)));
  return (await prunable.beneath.packs()).filter((name) => ofKind.has(name));
}

const flip =
  (at: number) =>
  (bytes: Buffer): Buffer => {
    bytes[at] = (bytes[at] as number) ^ 1;
    return bytes;
  };

async function problems(prunable: Prunable): Promise<string[]> {
  const { findings } = await check(await openUncached(prunable), { readData: ALL, threads: 1 });
  return findings.map(({ message }) => message);
}

test('repair packs saves all but the damaged frame, removes the pack and keeps a copy', async () => {
  const prunable = await backedUp();
  const [name] = (await packsOf(prunable, DATA)) as [string];
  await prunable.beneath.change('data', name, flip(100));
  const damaged = await prunable.beneath.get('data', name);
  const blobs = (await loadIndex(await openUncached(prunable))).index.size;
  const result = await repaired(prunable, [name]);
  assert.deepEqual(result.removed, [name]);
  assert.ok(result.salvaged > 0 && result.lost.length > 0);
  assert.ok(result.copies.get(name)?.equals(damaged));
  assert.ok(!(await prunable.names('data')).includes(name));
  assert.equal((await loadIndex(await openUncached(prunable))).index.size, blobs - result.lost.length);
  // What is lost is not in the index, so that a backup stores it anew: then nothing is.
  for (const message of await problems(prunable)) assert.match(message, /^data blob .* is in no pack/);
  await prunable.sandbox.backup();
  assert.deepEqual(await problems(prunable), []);
  await prunable.verify();
});

test('repair packs loses nothing when only the directory or the end of a pack is damaged', async () => {
  const prunable = await backedUp();
  for (const change of [
    (bytes: Buffer) => flip(bytes.length - 100)(bytes),
    (bytes: Buffer) => bytes.subarray(0, -50),
  ]) {
    const [name] = (await packsOf(prunable, TREE)) as [string];
    await prunable.beneath.change('data', name, change);
    const result = await repaired(prunable, [name]);
    assert.deepEqual([result.removed, result.lost], [[name], []]);
    assert.deepEqual(await problems(prunable), []);
  }
  await prunable.verify();
});

test('repair packs identifies swapped packs by their directories', async () => {
  const prunable = await backedUp();
  const [data] = (await packsOf(prunable, DATA)) as [string];
  const [tree] = (await packsOf(prunable, TREE)) as [string];
  const bytes = await prunable.store.get('data', data);
  const other = await prunable.store.get('data', tree);
  await prunable.beneath.change('data', data, () => other);
  await prunable.beneath.change('data', tree, () => bytes);
  const result = await repaired(prunable, [data, tree]);
  assert.deepEqual(result.lost, []);
  assert.deepEqual(await problems(prunable), []);
  await prunable.verify();
});

test('repair packs leaves a sound pack and reports a missing one', async () => {
  const prunable = await backedUp();
  const [name] = (await packsOf(prunable, DATA)) as [string];
  const result = await repaired(prunable, [name]);
  assert.deepEqual([result.removed, result.events], [[], [{ kind: 'sound', name }]]);
  await prunable.store.remove('data', name);
  const gone = await repaired(prunable, [name]);
  assert.deepEqual([gone.removed, gone.missing, gone.events], [[], [name], [{ kind: 'missing', name }]]);
  assert.deepEqual(await prunable.names('locks'), []);
});

test('repair packs saves everything of a pack that a cache holds', async () => {
  const prunable = await backedUp();
  const [name] = (await packsOf(prunable, TREE)) as [string];
  const repository = await prunable.sandbox.open();
  const { index } = await loadIndex(repository);
  const frame = index.frame(
    index.framesOf(Array.from({ length: index.packCount }).findIndex((_, at) => index.packName(at) === name)).first,
  );
  await repository.store.get('data', name, { offset: frame.offset, length: frame.storedLength }, { keep: true });
  await prunable.beneath.change('data', name, (bytes) => bytes.fill(0));
  const result = await repaired(prunable, [name], repository);
  assert.deepEqual(result.lost, []);
  assert.deepEqual(await problems(prunable), []);
});

test('repair packs drops data that does not match its ids', async () => {
  const prunable = await backedUp();
  const repository = await openUncached(prunable);
  const forge = new Forge(repository);
  const [good, bad] = [randomBytes(1000), randomBytes(1000)];
  const ids = [forge.id(good, DATA), forge.id(randomBytes(1000), DATA)];
  const body = Buffer.concat([good, bad]);
  const before = await prunable.names('data');
  forge.pack(DATA, [{ body, codec: 0, rawLength: 2000, ids, lengths: [1000, 1000] }]);
  await forge.finish();
  const name = (await prunable.names('data')).find((each) => !before.includes(each)) as string;
  const result = await repaired(prunable, [name]);
  assert.deepEqual([result.salvaged, result.lost], [1, [ids[1]?.toString('hex')]]);
  const { index } = await loadIndex(await openUncached(prunable));
  assert.ok(index.find(ids[0] as Buffer) >= 0);
  assert.deepEqual(await problems(prunable), []);
});

test('repair packs with a manage key saves trees, not file contents', async () => {
  const prunable = await backedUp();
  await prunable.sandbox.addKey('manage', 'keeper');
  await prunable.sandbox.addKey('append', 'robot');
  const keeper = await openUncached(prunable, 'keeper');
  const [data] = (await packsOf(prunable, DATA)) as [string];
  const [tree] = (await packsOf(prunable, TREE)) as [string];
  for (const name of [data, tree])
    await prunable.beneath.change('data', name, (bytes) => flip(bytes.length - 120)(bytes));
  await assert.rejects(repaired(prunable, [data], keeper), isVarveError('role', /full/));
  assert.deepEqual((await repaired(prunable, [tree], keeper)).lost, []);
  await assert.rejects(
    repaired(prunable, [tree], await openUncached(prunable, 'robot')),
    isVarveError('role', /repair packs/),
  );
});

test('backup notices when repair packs removes a pack that it relies on', async () => {
  const prunable = await backedUp();
  const running = await loadIndex(await openUncached(prunable));
  const [name] = (await packsOf(prunable, DATA)) as [string];
  await prunable.beneath.change('data', name, flip(100));
  await repaired(prunable, [name]);
  assert.deepEqual([...(await condemnedSince(running))], [name]);
});

test('repair packs loses nothing more when it is interrupted at any step, and continues', async () => {
  let dying: Dying | undefined;
  const prunable = await backedUp((store) => {
    dying = new Dying(store);
    return dying;
  });
  const store = dying as unknown as Dying;
  const [name] = (await packsOf(prunable, DATA)) as [string];
  await prunable.beneath.change('data', name, (bytes) => flip(bytes.length - 100)(bytes));
  const image = await imageOf(store);
  let ended = false;
  let steps = 0;
  for (; !ended; steps++) {
    await reset(store, prunable.beneath, image);
    store.left = steps;
    try {
      await repaired(prunable, [name]);
      ended = true;
    } catch (cause) {
      assert.equal(VarveError.from(cause).message, 'the store is gone');
    }
    store.left = Number.POSITIVE_INFINITY;
    await prunable.verify();
    prunable.now += DAY;
    if ((await prunable.names('data')).includes(name)) await repaired(prunable, [name]);
    assert.deepEqual(await problems(prunable), [], `after step ${steps}`);
  }
  assert.ok(steps >= 7, `${steps} steps`);
});
