import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { scrub } from '../../src/check/scrub.js';
import { ALL } from '../../src/check/subset.js';
import { VarveError } from '../../src/errors/errors.js';
import { healPack } from '../../src/parity/heal.js';
import { prune } from '../../src/prune/prune.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { ObjectType, Range } from '../../src/storage/store.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';

const scratch = scratchDirectory();
let number = 0;

/** A store on a disk with a range that cannot be read, and which may refuse writes. */
class FailingDisk extends MemoryStore {
  bad: (Range & { readonly name: string }) | undefined;
  isReadOnly = false;

  override async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    const { offset, length } = range ?? { offset: 0, length: Number.POSITIVE_INFINITY };
    const { bad } = this;
    if (bad?.name === name && offset < bad.offset + bad.length && bad.offset < offset + length)
      throw new VarveError('storage', `${type}/${name}: cannot be read: input/output error`);
    return super.get(type, name, range);
  }

  override async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    if (this.isReadOnly) throw new VarveError('storage', `cannot write ${type}/${name}: read-only file system`);
    await super.replace(type, name, parts);
    this.bad = undefined;
  }
}

async function filled(): Promise<{ sandbox: Sandbox; disk: FailingDisk; packs: string[] }> {
  const disk = new FailingDisk();
  const data = { min: 4096, average: 16_384, max: 65_536 };
  const sandbox = await Sandbox.create(join(scratch, String(number++)), { store: disk, parity: 5, data });
  for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(sandbox.source, name), randomBytes(2_000_000));
  await sandbox.backup({ packTarget: 3_000_000, threads: 1 });
  return { sandbox, disk, packs: await packsOf(disk) };
}

/** The pack names, largest pack first. */
async function packsOf(store: MemoryStore): Promise<string[]> {
  const packs: { name: string; size: number }[] = [];
  for await (const { name, size } of store.list('data')) packs.push({ name, size });
  return packs.sort((a, b) => b.size - a.size).map(({ name }) => name);
}

test('repair heals a pack when sectors of it cannot be read', async () => {
  const { sandbox, disk, packs } = await filled();
  const name = packs[0] as string;
  const original = await disk.get('data', name);
  for (const offset of [0, 200_000, original.length - 5000]) {
    disk.bad = { name, offset, length: 4096 };
    const report = await check(await sandbox.open(), { readData: ALL, threads: 1 });
    assert.deepEqual(
      report.findings.map(({ object, healable }) => [object, healable]),
      [[`data/${name}`, true]],
    );
    const { findings, healed } = await scrub(disk, { repair: true, threads: 1 });
    assert.deepEqual([findings, healed.map((each) => each.name)], [[], [name]]);
    assert.deepEqual(await disk.get('data', name), original);
  }
});

test('repair reports a pack that cannot be written, and heals it the next time', async () => {
  const { sandbox, disk, packs } = await filled();
  const name = packs[0] as string;
  const original = await disk.get('data', name);
  const damaged = Uint8Array.from(original).fill(7, 1000, 2000);
  await disk.replace('data', name, [damaged]);
  disk.isReadOnly = true;
  const failed = await scrub(disk, { repair: true, threads: 1 });
  assert.deepEqual(failed.healed, []);
  assert.match(failed.findings[0]?.message ?? '', /its content does not match its name; .*read-only file system/);
  assert.deepEqual(Uint8Array.from(await disk.get('data', name)), damaged);
  const checked = await check(await sandbox.open(), { repair: true, threads: 1 });
  assert.deepEqual([checked.healed.length, checked.findings.length], [0, 1]);
  disk.isReadOnly = false;
  const { healed, findings } = await check(await sandbox.open(), { repair: true, threads: 1 });
  assert.deepEqual([healed.map((each) => each.name), findings], [[name], []]);
  assert.deepEqual(await disk.get('data', name), original);
});

test('heal leaves a pack removed when it was removed during the healing', async () => {
  const { disk, packs } = await filled();
  const name = packs[0] as string;
  await disk.replace('data', name, [(await disk.get('data', name)).fill(7, 1000, 2000)]);
  let looks = 0;
  const { stat } = disk;
  // The second stat comes before the write.
  disk.stat = async (type, each) => {
    if (each === name && ++looks === 2) await disk.remove(type, name);
    return stat.call(disk, type, each);
  };
  const { findings } = await scrub(disk, { repair: true, threads: 1 });
  assert.equal(await stat.call(disk, 'data', name), undefined);
  assert.deepEqual(findings, []);
});

test('prune writes packs with parity', async () => {
  const { sandbox, disk, packs } = await filled();
  for (const name of ['a', 'c']) rmSync(join(sandbox.source, name));
  const [first] = await sandbox.snapshots();
  await sandbox.backup({ packTarget: 3_000_000, threads: 1 });
  await disk.remove('snapshots', first?.id as string);
  const options = { maxUnused: { part: 0 }, maxRepack: Number.POSITIVE_INFINITY, repackSmall: false, dryRun: false };
  const { repack } = await prune(await sandbox.open(), { ...options, graceSeconds: 0, packTarget: 3_000_000 });
  assert.ok(repack.packs > 0);
  const written = (await packsOf(disk)).filter((name) => !packs.includes(name));
  assert.ok(written.length > 0);
  for (const name of written) {
    const original = await disk.get('data', name);
    const healing = healPack(Uint8Array.prototype.slice.call(original).fill(1, 100, 200) as Buffer, name);
    assert.ok(healing.kind === 'healed' && healing.bytes.equals(original));
  }
  assert.deepEqual((await check(await loadIndex(await sandbox.open()), { readData: ALL, threads: 1 })).findings, []);
});
