import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { ALL } from '../../src/check/subset.js';
import { encodeLease } from '../../src/format/lease.js';
import { repairIndex } from '../../src/repair/repair-index.js';
import { putSigned } from '../../src/repository/repository.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { DAY, Prunable } from './repository.js';
import { SmallDisk } from './small-disk.js';

const scratch = scratchDirectory();
let number = 0;

interface Full {
  readonly prunable: Prunable;
  readonly disk: SmallDisk;
  /** Of the files `keep` and `go`; only the second one is left. */
  readonly ids: readonly [string, string];
}

/** A repository with a snapshot that needs a pack of its own, and is forgotten. */
async function forgotten(): Promise<Full> {
  let disk: SmallDisk | undefined;
  const prunable = await Prunable.create(join(scratch, String(number++)), (store) => {
    disk = new SmallDisk(store);
    return disk;
  });
  prunable.write(['go'], 1_000_000);
  const first = await prunable.backup();
  prunable.remove('go');
  prunable.write(['keep'], 1_000_000);
  const second = await prunable.backup();
  await prunable.forget(first);
  return { prunable, disk: disk as unknown as SmallDisk, ids: [first, second] };
}

async function assertSound(prunable: Prunable): Promise<void> {
  await prunable.verify();
  const { findings } = await check(await prunable.sandbox.open(), { readData: ALL, threads: 1 });
  assert.deepEqual(
    findings.map(({ message }) => message),
    [],
  );
}

test('prune deletes condemned packs when there is no space for its lease', async () => {
  const { prunable, disk } = await forgotten();
  await prunable.prune();
  prunable.now += 2 * DAY;
  disk.free = 0;
  const before = await prunable.bytes();
  await prunable.prune();
  assert.ok((await prunable.bytes()) < before - 900_000);
  assert.deepEqual(await prunable.names('locks'), []);
  await assertSound(prunable);
});

test('prune names the option that works when there is no space and packs wait for their grace time', async () => {
  const { prunable, disk } = await forgotten();
  await prunable.prune();
  disk.free = 0;
  await assert.rejects(prunable.prune(), isVarveError('full', /prune --grace 0/));
  prunable.now += DAY / 2;
  await prunable.prune({ graceSeconds: 0 });
  assert.ok(disk.free > 900_000);
  await assertSound(prunable);
});

test('prune --unsafe-recover-no-free-space begins without any space', async () => {
  const { prunable, disk } = await forgotten();
  disk.free = 0;
  const before = await prunable.names('data');
  await assert.rejects(
    prunable.prune({ graceSeconds: 0 }),
    isVarveError('full', /--unsafe-recover-no-free-space [0-9a-f]+/),
  );
  assert.deepEqual(await prunable.names('data'), before);
  await prunable.prune({ recoverNoFreeSpace: true });
  assert.ok(disk.free > 900_000, `${disk.free}`);
  await assertSound(prunable);
});

test('prune --unsafe-recover-no-free-space removes nothing while anything else is at work', async () => {
  const { prunable, disk } = await forgotten();
  const repository = await prunable.sandbox.open();
  const now = { seconds: Math.floor(prunable.now), nanoseconds: 0 };
  const lease = {
    since: now,
    time: now,
    id: Buffer.alloc(16, 1),
    operation: 'backup',
    host: 'other',
    user: 'x',
    pid: 1,
  };
  await putSigned(repository, 'lease', encodeLease(lease));
  disk.free = 0;
  const before = await prunable.names('data');
  await assert.rejects(prunable.prune({ recoverNoFreeSpace: true }), isVarveError('locked', /a backup by x@other/));
  assert.deepEqual(await prunable.names('data'), before);
});

test('repair index rebuilds an index object that prune --unsafe-recover-no-free-space could not write', async () => {
  const { prunable, disk } = await forgotten();
  disk.free = 0;
  const packs = await prunable.names('data');
  const put = disk.put.bind(disk);
  disk.put = async (type, name, parts, advice) => {
    if (type === 'index') disk.free = 0;
    await put(type, name, parts, advice);
  };
  await assert.rejects(prunable.prune({ recoverNoFreeSpace: true }), isVarveError('storage', /varve repair index/));
  assert.deepEqual(await prunable.names('data'), packs);
  disk.put = put;
  disk.free = Number.POSITIVE_INFINITY;
  await repairIndex(await prunable.sandbox.open());
  await assertSound(prunable);
});

test('prune deletes before it copies, so that the copies have space', async () => {
  const { prunable, disk } = await withWaste();
  disk.free = 100_000;
  const { errors, copied } = await prunable.prune({ graceSeconds: 0 });
  assert.deepEqual([errors, copied.packs > 0], [0, true]);
  await assertSound(prunable);
});

test('prune keeps what it has no space to copy, and frees the rest', async () => {
  const { prunable, disk } = await withWaste();
  await prunable.prune({ graceSeconds: 0, maxUnused: { bytes: Number.POSITIVE_INFINITY } });
  disk.free = 100_000;
  const before = await prunable.names('data');
  const { errors, events } = await prunable.prune({ graceSeconds: 0 });
  assert.equal(errors, 1);
  assert.ok(events.some(({ kind }) => kind === 'no-space'));
  assert.deepEqual(await prunable.names('data'), before);
  await assertSound(prunable);
});

/** Beside a pack that nobody needs there is one of which half is needed. */
async function withWaste(): Promise<Full> {
  const full = await forgotten();
  const { prunable } = full;
  prunable.write(['half', 'other half'], 500_000);
  const id = await prunable.backup();
  prunable.remove('other half');
  await prunable.backup();
  await prunable.forget(id);
  return full;
}
