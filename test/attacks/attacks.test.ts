import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { ALL } from '../../src/check/subset.js';
import { DATA, TREE } from '../../src/format/content.js';
import { repairIndex } from '../../src/repair/repair-index.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { loadAndAdopt } from '../../src/repository/index/orphans.js';
import { removeKeySlot, rotateKeySlots } from '../../src/repository/keys/key-slots.js';
import { openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { digest, PACK, Prunable } from '../prune/repository.js';
import { WHOLE } from '../whole.js';
import {
  FAR_AHEAD,
  hold,
  LONG_AGO,
  listedPacks,
  openAs,
  ownersWeek,
  plantFromDirectory,
  plantZeros,
  state,
} from './thief.js';

const scratch = scratchDirectory();
let made = 0;

interface Attack {
  readonly name: string;
  /** Whether a check that reads everything names what was planted. */
  readonly named: boolean;
  run(thief: Repository, prunable: Prunable): Promise<unknown>;
}

const honestPacks = async (prunable: Prunable) => listedPacks(await prunable.sandbox.open());
const namesOf = (packs: readonly { readonly name: Buffer }[]): string[] =>
  packs.map(({ name }) => name.toString('hex'));

const ATTACKS: readonly Attack[] = [
  {
    name: 'lists zeros under all ids, dated 1970',
    named: true,
    run: async (thief, prunable) => plantZeros(thief, await honestPacks(prunable)),
  },
  {
    name: 'lists zeros under all ids, dated 2100',
    named: true,
    run: async (thief, prunable) => plantZeros(thief, await honestPacks(prunable), { time: FAR_AHEAD }),
  },
  {
    name: 'lists zeros of other lengths under all ids',
    named: true,
    run: async (thief, prunable) => plantZeros(thief, await honestPacks(prunable), { longer: 3 }),
  },
  {
    name: 'lists zeros under all ids as the other kind',
    named: true,
    run: async (thief, prunable) =>
      plantZeros(thief, await honestPacks(prunable), { as: (kind) => (kind === DATA ? TREE : DATA) }),
  },
  {
    name: 'lists honest packs with the records of other packs',
    named: true,
    run: async (thief, prunable) => {
      const packs = await honestPacks(prunable);
      const shifted = packs.map((pack, at) => ({
        ...pack,
        record: packs[(at + 1) % packs.length]?.record ?? pack.record,
      }));
      await state(thief, { packs: shifted });
    },
  },
  {
    name: 'lists packs that do not exist under all ids',
    named: true,
    run: async (thief, prunable) => {
      const packs = await honestPacks(prunable);
      await state(thief, { packs: packs.map((pack, at) => ({ ...pack, name: Buffer.alloc(32, at + 1) })) });
    },
  },
  {
    name: 'replaces all index objects and condemns all packs',
    named: false,
    run: async (thief, prunable) => {
      const packs = await honestPacks(prunable);
      const names = (await prunable.names('index')).map((name) => Buffer.from(name, 'hex'));
      await state(thief, { replaces: names, condemned: packs.map(({ name }) => ({ pack: name, time: LONG_AGO })) });
    },
  },
  {
    name: 'holds a hundred leases of prunes and repairs',
    named: false,
    run: async (thief) => {
      for (let n = 0; n < 100; n++) await hold(thief, n % 2 === 0 ? 'prune' : 'repair index');
    },
  },
  {
    name: 'puts a pack together from an honest directory, and invites to adopt it',
    named: false,
    run: async (thief, prunable) => {
      for (const name of namesOf(await honestPacks(prunable))) await plantFromDirectory(thief, name);
      await hold(thief, 'backup');
      prunable.now += 3600;
    },
  },
];

/** @returns a key of the thief: in use, removed, or of an old epoch */
async function thiefWith(prunable: Prunable, kind: 'valid' | 'removed' | 'rotated away'): Promise<Repository> {
  const thief = await openAs(prunable, 'append', 'thief');
  if (kind === 'valid') return thief;
  const slot = Buffer.from(thief.identity.slot).toString('hex');
  await removeKeySlot(await prunable.sandbox.open(), slot, { force: false });
  if (kind === 'rotated away') await rotateKeySlots(await prunable.sandbox.open());
  return thief;
}

const KEYS = ['valid', 'removed', 'rotated away'] as const;
const OWNERS = ['full', 'manage'] as const;

for (const [number, attack] of ATTACKS.entries())
  for (const [at, key] of KEYS.entries())
    for (const [which, owner] of OWNERS.entries()) {
      // A fixed share runs by default: each attack with each kind of key, the owners in turn.
      if (!WHOLE && (number + at) % OWNERS.length !== which) continue;
      test(`nothing is lost when a thief with a ${key} key ${attack.name}, and a ${owner} key prunes`, async () => {
        const prunable = await Prunable.create(join(scratch, String(made++)));
        prunable.write(['a', 'b'], 300_000);
        await prunable.backup();
        const thief = await thiefWith(prunable, key);
        await attack.run(thief, prunable);
        if (attack.named && key === 'valid') {
          const { findings } = await check(await prunable.sandbox.open(), { readData: ALL });
          assert.ok(findings.length > 0, 'check names what was planted');
          assert.ok(
            findings.every(({ snapshots }) => snapshots.size === 0),
            'no snapshot needs it',
          );
        }
        await ownersWeek(prunable, owner === 'full' ? await prunable.sandbox.open() : await openAs(prunable, 'manage'));
      });
    }

test('a backup adopts no pack that was put together from the directory of a pack that is gone', async () => {
  const prunable = await Prunable.create(join(scratch, String(made++)));
  prunable.write(['known', 'other'], 300_000);
  const first = await prunable.backup();
  const content = readFileSync(join(prunable.sandbox.source, 'known'));
  const packs = new Map<string, Buffer>();
  for (const name of namesOf(await honestPacks(prunable))) packs.set(name, await prunable.store.get('data', name));
  prunable.remove('known');
  await prunable.backup();
  await prunable.forget(first);
  await prunable.prune({ graceSeconds: 0 });
  const thief = await openAs(prunable, 'append', 'thief');
  for (const [name, bytes] of packs) await plantFromDirectory(thief, name, bytes);
  await hold(thief, 'backup');
  await hold(await prunable.sandbox.open(), 'backup');
  prunable.now += 3600;
  writeFileSync(join(prunable.sandbox.source, 'known'), content);
  const { repository, adopted } = await loadAndAdopt(await prunable.sandbox.open());
  assert.equal(adopted, 0);
  const { id, snapshot } = await prunable.sandbox.backup({ packTarget: PACK }, repository);
  prunable.contents.set(id as string, await digest(await prunable.sandbox.open(), snapshot.root));
  await ownersWeek(prunable, await prunable.sandbox.open());
});

test('repair index lists no pack as read that was put together from an honest directory', async () => {
  const prunable = await Prunable.create(join(scratch, String(made++)));
  prunable.write(['a', 'b'], 300_000);
  await prunable.backup();
  const thief = await openAs(prunable, 'append', 'thief');
  const planted: string[] = [];
  for (const name of namesOf(await honestPacks(prunable))) planted.push(await plantFromDirectory(thief, name));
  await repairIndex(await prunable.sandbox.open());
  const { index } = await loadIndex(await prunable.sandbox.open());
  for (let pack = 0; pack < index.packCount; pack++)
    assert.equal(index.isVouched(pack), !planted.includes(index.packName(pack)));
  await ownersWeek(prunable, await prunable.sandbox.open());
});

for (const role of ['append', 'manage', 'full'] as const)
  test(`a first backup with a ${role} key relies on nothing that an append key planted under its ids before`, async () => {
    const elsewhere = await Prunable.create(join(scratch, String(made++)));
    const prunable = await Prunable.create(join(scratch, String(made++)));
    assert.ok(elsewhere);
    // The thief knows the content, so he knows its ids: he backs it up himself, and then only the packs are spoilt.
    prunable.write(['known'], 400_000);
    const thief = await openAs(prunable, 'append', 'thief');
    await prunable.sandbox.backup({ packTarget: PACK }, await loadIndex(thief));
    const packs = await listedPacks(thief);
    for (const name of await prunable.names('data')) await prunable.beneath.remove('data', name);
    for (const name of await prunable.names('index')) await prunable.beneath.remove('index', name);
    for (const name of await prunable.names('snapshots')) await prunable.beneath.remove('snapshots', name);
    await plantZeros(thief, packs);
    if (role === 'append') await prunable.sandbox.addKey('append', 'victim');
    const victim =
      role === 'full'
        ? await prunable.sandbox.open()
        : role === 'manage'
          ? await openAs(prunable, 'manage')
          : await openRepository(prunable.store, { unlock: { password: 'victim' }, cacheDirectory: undefined });
    const { id, snapshot } = await prunable.sandbox.backup({ packTarget: PACK }, await loadIndex(victim));
    const own = await digest(await prunable.sandbox.open(), snapshot.root);
    prunable.contents.set(id as string, own);
    await ownersWeek(prunable, await prunable.sandbox.open());
  });
