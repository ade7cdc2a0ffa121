import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../src/bytes/hex.js';
import { check } from '../../src/check/check.js';
import { ALL } from '../../src/check/subset.js';
import { type ContentRef, DATA } from '../../src/format/content.js';
import { prune } from '../../src/prune/prune.js';
import { BadCopies } from '../../src/repository/bad-copies.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { splitIds } from '../../src/repository/reading/content-stream.js';
import { restore } from '../../src/restore/restore.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { digest, PACK, Prunable } from '../prune/repository.js';
import { listedPacks, openAs, plantZeros } from './thief.js';

const scratch = scratchDirectory();
const WEEK = { graceSeconds: 0, packTarget: PACK, maxUnused: { bytes: 0 }, maxRepack: Number.POSITIVE_INFINITY };
let made = 0;

async function honest(files: readonly string[] = ['a', 'b', 'c']): Promise<Prunable> {
  const prunable = await Prunable.create(join(scratch, String(made++)));
  prunable.write(files, 300_000);
  await prunable.backup();
  return prunable;
}

for (const longer of [0, 1])
  for (const role of ['full', 'manage'] as const)
    test(`prune with a ${role} key keeps all when an append key lists zeros under the ids of all blobs, longer by ${longer}`, async () => {
      const prunable = await honest();
      const thief = await openAs(prunable, 'append');
      await plantZeros(thief, await listedPacks(await prunable.sandbox.open()), { longer });
      const owner = role === 'full' ? await prunable.sandbox.open() : await openAs(prunable, role);
      await prunable.verify();
      await prune(owner, { ...WEEK, dryRun: false, repackSmall: false });
      prunable.write(['d'], 300_000);
      await prunable.backup();
      await prune(owner, { ...WEEK, dryRun: false, repackSmall: true });
      await prunable.verify();
      const { findings } = await check(await prunable.sandbox.open(), { readData: ALL });
      assert.deepEqual(
        findings.map(({ message }) => message),
        [],
      );
    });

test('check names packs of zeros that an append key lists under the ids of all blobs', async () => {
  const prunable = await honest();
  const thief = await openAs(prunable, 'append');
  await plantZeros(thief, await listedPacks(await prunable.sandbox.open()));
  const { findings } = await check(await prunable.sandbox.open(), { readData: ALL });
  assert.equal(findings.length, 2);
  for (const finding of findings) {
    assert.match(finding.message, /^data\/\w+: a blob holds other data than its id says/);
    assert.equal(finding.snapshots.size, 0, 'no snapshot needs it');
  }
});

/** Two backups of the same at once: each stores all of it. @returns the names of the first one's packs */
async function storeTwice(prunable: Prunable): Promise<string[]> {
  const [one, other] = [await prunable.sandbox.indexed(), await prunable.sandbox.indexed()];
  for (const indexed of [one, other]) {
    const { id, snapshot } = await prunable.sandbox.backup({ packTarget: PACK }, indexed);
    prunable.contents.set(id as string, await digest(await prunable.sandbox.open(), snapshot.root));
  }
  return (await listedPacks(await prunable.sandbox.open())).map(({ name }) => name.toString('hex'));
}

for (let round = 0; round < 4; round++)
  test(`prune keeps the sound copies when two backups stored the same and one copy of each blob rotted (${round})`, async () => {
    const prunable = await Prunable.create(join(scratch, String(made++)));
    prunable.write(['a', 'b', 'c'], 300_000);
    const packs = await storeTwice(prunable);
    const copies = new Map<string, string[]>();
    for (const { name, record } of await listedPacks(await prunable.sandbox.open())) {
      const key = `${record.kind} ${[...splitIds(record.ids)].map(toHex).sort().join()}`;
      copies.set(key, [...(copies.get(key) ?? []), name.toString('hex')]);
    }
    assert.ok(packs.length >= 4);
    for (const names of copies.values()) {
      if (names.length < 2) continue;
      const name = names[round % names.length] as string;
      const bytes = Buffer.from(await prunable.store.get('data', name));
      const at = round < 2 ? 40 : bytes.length - 300;
      bytes[at] = (bytes[at] as number) ^ 1;
      await prunable.beneath.plant('data', name, bytes);
    }
    await prunable.verify();
    await prunable.prune({ graceSeconds: 0 });
    await prunable.verify();
    const left = await check(await prunable.sandbox.open(), { readData: ALL });
    assert.deepEqual(
      left.findings.filter(({ snapshots }) => snapshots.size > 0).map(({ message }) => message),
      [],
    );
  });

test('a restore reads another copy when one is damaged, and warns of it once', async () => {
  const prunable = await Prunable.create(join(scratch, String(made++)));
  prunable.write(['a', 'b'], 300_000);
  await storeTwice(prunable);
  // Of contents: trees may be in the cache.
  const { index } = await prunable.sandbox.indexed();
  const packs = Array.from({ length: index.packCount }, (_, pack) => pack);
  const bad = index.packName(packs.find((pack) => index.packKind(pack) === DATA) ?? -1);
  await prunable.beneath.plant('data', bad, Buffer.alloc(500));
  const warnings: string[] = [];
  const badCopies = new BadCopies((text) => warnings.push(text));
  const indexed = { ...(await prunable.sandbox.indexed()), badCopies };
  const [snapshot] = await prunable.sandbox.snapshots();
  const target = join(scratch, String(made++));
  const root = snapshot?.snapshot.root as ContentRef;
  const progress = await restore(indexed, { root, target, setOwner: false, threads: 1 });
  assert.equal(progress.errors, 0);
  for (const name of ['a', 'b'])
    assert.deepEqual(
      readFileSync(join(target, prunable.sandbox.source, name)),
      readFileSync(join(prunable.sandbox.source, name)),
    );
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] as string, new RegExp(`data/${bad}\\b.*; another copy of what it holds is used`));
});

/** A backup of the source by an append key of its own. @returns bytes that it added */
async function backUpAs(prunable: Prunable, key: string): Promise<number> {
  const repository = await openRepository(prunable.store, { unlock: { password: key }, cacheDirectory: undefined });
  const before = await prunable.bytes();
  await prunable.sandbox.backup({ packTarget: PACK }, await loadIndex(repository));
  return (await prunable.bytes()) - before;
}

for (const how of ['check', 'prune'] as const)
  test(`a backup relies on what another append key stored only once ${how} has read it`, async () => {
    const prunable = await honest(['a']);
    for (const key of ['one', 'other', 'third']) await prunable.sandbox.addKey('append', key);
    prunable.write(['b', 'c'], 500_000);
    assert.ok((await backUpAs(prunable, 'one')) > 1_000_000);
    assert.ok((await backUpAs(prunable, 'other')) > 1_000_000, 'nobody has read what the first one stored');
    if (how === 'check') {
      const { vouched } = await check(await prunable.sandbox.open(), { readData: ALL });
      assert.equal(vouched, 2 * 2);
      assert.equal((await check(await prunable.sandbox.open(), { readData: ALL })).vouched, 0);
    } else {
      const before = await prunable.bytes();
      await prunable.prune({ graceSeconds: 0 });
      assert.ok((await prunable.bytes()) < before - 1_000_000, 'prune drops what is stored twice');
    }
    assert.ok((await backUpAs(prunable, 'third')) < 100_000);
    assert.ok((await backUpAs(prunable, 'other')) < 100_000);
    await prunable.verify();
  });
