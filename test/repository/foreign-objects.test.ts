import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { encodeIndexObject } from '../../src/format/index-object.js';
import { encodeLease } from '../../src/format/lease.js';
import { loadAndAdopt } from '../../src/repository/index/orphans.js';
import { objectName, putSigned } from '../../src/repository/repository.js';
import { ForwardingStore } from '../../src/storage/guards/forwarding.js';
import type { ObjectType, Range, Store } from '../../src/storage/store.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { DAY, Prunable } from '../prune/repository.js';

const scratch = scratchDirectory();
const FOREIGN = Buffer.from('an object of another program');
let made = 0;

async function fresh(wrap?: (store: Store) => Store): Promise<Prunable> {
  const prunable = await Prunable.create(join(scratch, String(made++)), wrap);
  prunable.write(['a'], 300_000);
  await prunable.backup();
  return prunable;
}

/** Makes a backup as the command does. @returns its warnings about the index */
async function backUp(prunable: Prunable): Promise<string[]> {
  const warnings: string[] = [];
  const { repository } = await loadAndAdopt(await prunable.sandbox.open(), ({ message }) => warnings.push(message));
  const { id } = await prunable.sandbox.backup({}, repository);
  assert.ok(id !== undefined);
  return warnings;
}

const lease = (prunable: Prunable, operation: string) => {
  const time = { seconds: Math.floor(prunable.now), nanoseconds: 0 };
  return encodeLease({ time, since: time, id: randomBytes(16), operation, host: 'other', user: 'x', pid: 7 });
};

for (const [what, name] of [
  ['foreign', objectName(FOREIGN)],
  ['damaged', 'ab'.repeat(32)],
] as const) {
  test(`backup skips a ${what} index object and names it, and prune refuses and removes nothing`, async () => {
    const prunable = await fresh();
    await prunable.beneath.plant('index', name, FOREIGN);
    prunable.write(['b'], 100_000);
    const warnings = await backUp(prunable);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] as string, new RegExp(`^index/${name}: `));
    const before = [...(await prunable.names('data')), ...(await prunable.names('index'))];
    await assert.rejects(prunable.prune({ graceSeconds: 0 }), isVarveError('damaged', new RegExp(name)));
    assert.deepEqual([...(await prunable.names('data')), ...(await prunable.names('index'))], before);
    await prunable.beneath.remove('index', name);
    await prunable.prune();
    await prunable.verify();
  });
}

test('backup refuses and names the prune when it would skip an index object beside one', async () => {
  const prunable = await fresh();
  await prunable.beneath.plant('index', objectName(FOREIGN), FOREIGN);
  await putSigned(await prunable.sandbox.open(), 'lease', lease(prunable, 'prune'));
  await assert.rejects(backUp(prunable), isVarveError('locked', /cannot be read, and a prune by x@other, process 7,/));
});

test('backup stores again what was in packs that are gone when the index object that condemned them is damaged', async () => {
  const prunable = await fresh();
  await prunable.sandbox.backup({ parent: 'latest' });
  const packs = await prunable.names('data');
  const repository = await prunable.sandbox.open();
  const time = { seconds: Math.floor(prunable.now), nanoseconds: 0 };
  const condemned = packs.map((pack) => ({ pack: Buffer.from(pack, 'hex'), time }));
  const condemning = encodeIndexObject({ time, replaces: [], condemned, packs: [] });
  const name = await putSigned(repository, 'index', condemning);
  for (const pack of packs) await prunable.beneath.remove('data', pack);
  await prunable.beneath.change('index', name, (bytes) => bytes.subarray(1));
  await backUp(prunable);
  assert.ok((await prunable.names('data')).length > 0);
  await prunable.beneath.remove('index', name);
  const newest = (await prunable.sandbox.snapshots()).at(-1);
  assert.ok(newest !== undefined);
  await prunable.sandbox.restoreSource(newest.snapshot.root);
});

/** A store that denies reading the index. */
class DeniedIndex extends ForwardingStore {
  denied = false;

  override async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    if (this.denied && type === 'index') throw new VarveError('denied', `index/${name}: permission denied`);
    return super.get(type, name, range);
  }
}

test('backup fails when an index object cannot be fetched', async () => {
  let store: DeniedIndex | undefined;
  const prunable = await fresh((inner) => {
    store = new DeniedIndex(inner);
    return store;
  });
  (store as DeniedIndex).denied = true;
  rmSync(join(prunable.sandbox.directory, 'cache'), { recursive: true });
  await assert.rejects(backUp(prunable), isVarveError('denied', /permission denied/));
});

test('backup continues and prune refuses when there is a foreign snapshot', async () => {
  const prunable = await fresh();
  await prunable.beneath.plant('snapshots', objectName(FOREIGN), FOREIGN);
  await backUp(prunable);
  const before = await prunable.names('data');
  await assert.rejects(prunable.prune({ graceSeconds: 0 }), isVarveError('damaged', new RegExp(objectName(FOREIGN))));
  assert.deepEqual(await prunable.names('data'), before);
});

test('prune refuses when it cannot read a lease, until the lease is stale', async () => {
  const prunable = await fresh();
  await prunable.beneath.plant('locks', objectName(FOREIGN), FOREIGN);
  prunable.now = Date.now() / 1000;
  await backUp(prunable);
  await assert.rejects(prunable.prune(), isVarveError('locked', /a lease cannot be read, .*unlock --remove-all/));
  if ((await prunable.store.stat('locks', objectName(FOREIGN)))?.modified === undefined) return;
  prunable.now += DAY;
  await prunable.prune();
  await prunable.verify();
});
