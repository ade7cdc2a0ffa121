// What somebody with an append key can put into a repository, and the owner's normal week after it.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { check } from '../../src/check/check.js';
import { ALL } from '../../src/check/subset.js';
import { sealFooter } from '../../src/crypto/footer.js';
import { DATA, TREE } from '../../src/format/content.js';
import { encodeIndexObject, type IndexedPack, type IndexObject } from '../../src/format/index-object.js';
import { encodeLease } from '../../src/format/lease.js';
import { RAW } from '../../src/format/pack-record.js';
import { prune } from '../../src/prune/prune.js';
import { loadIndex, packsOf } from '../../src/repository/index/index-store.js';
import { loadAndAdopt } from '../../src/repository/index/orphans.js';
import { originOf } from '../../src/repository/index/trust.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { readPackDirectory } from '../../src/repository/packs/pack-directory.js';
import { putSigned, type Repository } from '../../src/repository/repository.js';
import { PACK, type Prunable } from '../prune/repository.js';
import { Forge, type ForgedFrame } from '../restore/crafted.js';

export const LONG_AGO = { seconds: 0, nanoseconds: 0 };
export const FAR_AHEAD = { seconds: 4_102_444_800, nanoseconds: 0 };
const WEEK = {
  graceSeconds: 0,
  packTarget: PACK,
  maxUnused: { bytes: 0 },
  maxRepack: Number.POSITIVE_INFINITY,
  dryRun: false,
};

export async function openAs(prunable: Prunable, role: 'append' | 'manage', key: string = role): Promise<Repository> {
  await prunable.sandbox.addKey(role, key);
  return openRepository(prunable.store, { unlock: { password: key }, cacheDirectory: undefined });
}

/** All packs that the index lists. */
export async function listedPacks(repository: Repository): Promise<IndexedPack[]> {
  const { objects } = await loadIndex(repository);
  return (await Promise.all(objects.map(({ name }) => packsOf(repository, name)))).flat();
}

/** A frame of zeros for each blob of the kind, under its id. */
export function zeros(packs: readonly IndexedPack[], kind: typeof DATA | typeof TREE, longer = 0): ForgedFrame[] {
  return packs.flatMap(({ record }) => {
    if (record.kind !== kind) return [];
    return Array.from({ length: record.ids.length / 32 }, (_, at) => {
      const length = record.lengths.readUInt32LE(at * 4) + longer;
      const ids = [record.ids.subarray(at * 32, at * 32 + 32)];
      return { body: Buffer.alloc(length), codec: RAW, rawLength: length, ids, lengths: [length] };
    });
  });
}

/** States in an index object what the thief likes, and vouches for it as far as words go. */
export function state(thief: Repository, stated: Partial<IndexObject>): Promise<string> {
  const packs = (stated.packs ?? []).map((pack) => ({ ...pack, ...originOf(thief), vouched: true }));
  return putSigned(
    thief,
    'index',
    encodeIndexObject({ time: LONG_AGO, replaces: [], condemned: [], ...stated, packs }),
  );
}

/** Stores zeros under the ids of all blobs, and lists them as of a time. */
export async function plantZeros(
  thief: Repository,
  packs: readonly IndexedPack[],
  { longer = 0, time = LONG_AGO, as = (kind: typeof DATA | typeof TREE) => kind } = {},
): Promise<void> {
  const planted: IndexedPack[] = [];
  const forge = new Forge(thief);
  for (const kind of [DATA, TREE] as const)
    forge.pack(as(kind), zeros(packs, kind, longer), (pack) => {
      planted.push(pack);
      return pack;
    });
  await forge.finish();
  await state(thief, { time, packs: planted });
}

/**
 * A pack put together from another pack's own signed directory and random bytes where its frames were.
 *
 * @param pack the other pack, which may be gone
 * @returns its name
 */
export async function plantFromDirectory(thief: Repository, name: string, pack?: Buffer): Promise<string> {
  const { store, keys } = thief;
  const bytes = Buffer.from(pack ?? (await store.get('data', name)));
  const { offset } = await readPackDirectory(thief, name, bytes.length, bytes);
  randomBytes(offset).copy(bytes);
  const footer = {
    directoryOffset: offset,
    directoryLength: bytes.length - offset - 92,
    parityOffset: 0,
    parityLength: 0,
  };
  const { record } = await readPackDirectory(thief, name, bytes.length, bytes);
  bytes.set(sealFooter(keys, { ...footer, kind: record.kind }), bytes.length - 92);
  const planted = createHash('sha256').update(bytes).digest('hex');
  await store.put('data', planted, [bytes]);
  return planted;
}

/** A lease that states what the thief likes. */
export function hold(thief: Repository, operation: string, since = LONG_AGO): Promise<string> {
  const { clock } = thief;
  const time = { seconds: Math.floor(clock() / 1000), nanoseconds: 0 };
  const id = randomBytes(16);
  return putSigned(thief, 'lease', encodeLease({ time, since, id, operation, host: 'x', user: 'x', pid: 7 }));
}

/** Backups, a prune each night with the given key, and checks. @throws unless every snapshot holds what it held */
export async function ownersWeek(prunable: Prunable, owner: Repository): Promise<void> {
  await prunable.verify();
  for (const day of ['monday', 'tuesday']) {
    prunable.write([day], 200_000);
    const { repository } = await loadAndAdopt(await prunable.sandbox.open());
    const { id } = await prunable.sandbox.backup({ packTarget: PACK, parent: 'latest' }, repository);
    assert.ok(id !== undefined);
    await prune(owner, { ...WEEK, repackSmall: day === 'tuesday' });
    await prunable.verify();
  }
  const { findings } = await check(await prunable.sandbox.open(), { readData: ALL });
  const touching = findings.filter(({ snapshots }) => snapshots.size > 0).map(({ message }) => message);
  assert.deepEqual(touching, [], 'nothing that a snapshot needs is wrong');
}
