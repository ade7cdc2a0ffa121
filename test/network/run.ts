import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { check } from '../../src/check/check.js';
import { parseSubset } from '../../src/check/subset.js';
import { prune } from '../../src/prune/prune.js';
import { openRepository } from '../../src/repository/opening/open.js';
import type { Store } from '../../src/storage/store.js';
import { PASSWORD, Sandbox } from '../backup/sandbox.js';
import { assertSameTree, treeImage } from '../backup/tree-image.js';
import { names } from '../storage/conformance.js';
import { openReach, type Way } from './ways.js';

export interface RunOptions {
  /** An empty directory. */
  readonly directory: string;
  /** As many as there are at least. */
  readonly faults: number;
}

export interface Figures {
  readonly faults: ReadonlyMap<string, number>;
  readonly rounds: number;
  /** Requests to the store, and those of them that failed in a way that can be tried again. */
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  /** Packs that were stored in the end, all of them read. */
  readonly packs: number;
  readonly snapshots: number;
}

const SMALL_CHUNKS = { min: 4096, average: 16 * 1024, max: 64 * 1024 };
const PACK = 512 * 1024;
const PRUNE = {
  maxUnused: { bytes: 0 },
  maxRepack: Number.POSITIVE_INFINITY,
  repackSmall: true,
  graceSeconds: 0,
  dryRun: false,
  packTarget: PACK,
} as const;
/** Seconds for connections and programs to end. */
const ENDING = 5;

export const total = (faults: ReadonlyMap<string, number>): number => [...faults.values()].reduce((a, b) => a + b, 0);

/**
 * Backs up, restores, prunes and checks by a way that fails until it has failed so often. Nothing may be lost, come twice, or be left over.
 *
 * @throws when something is not as it should be
 */
export async function networkRun(way: Way, { directory, faults }: RunOptions): Promise<Figures> {
  const began = performance.now();
  let requests = 0;
  let failed = 0;
  const store = await openReach(way.through, (line) => {
    if (!/^\d{4}-/.test(line)) return;
    requests++;
    if (line.includes(', retryable: ')) failed++;
    else way.progressed();
  });
  const direct = await openReach(way.direct);
  try {
    const sandbox = await Sandbox.create(directory, { store, data: SMALL_CHUNKS });
    way.begin();
    let snapshots = 0;
    let rounds = 0;
    for (; total(way.faults) < faults; rounds++) snapshots += await round(sandbox, rounds);
    way.calm();
    // What is left over is cleared away by the way.
    snapshots += await round(sandbox, rounds++);
    assert.equal((await names(direct, 'snapshots')).length, snapshots);
    const packs = await checkAll(direct);
    await Promise.all([store.close(), direct.close()]);
    await nothingRemains(way);
    assert.deepEqual(way.leftovers(), []);
    const seconds = (performance.now() - began) / 1000;
    return { faults: way.faults, rounds, requests, failed, seconds, packs, snapshots };
  } finally {
    await Promise.all([store.close(), direct.close()]);
  }
}

/** @returns how many snapshots more there are */
async function round(sandbox: Sandbox, number: number): Promise<number> {
  change(sandbox.source, number);
  const image = treeImage(sandbox.source);
  const { id = '', snapshot } = await sandbox.backup({ packTarget: PACK, parent: 'latest' });
  const { target } = await sandbox.restoreSource(snapshot.root);
  assertSameTree(target, image);
  rmSync(target, { recursive: true });
  // What it shares with the next one stays, the rest goes.
  const forgotten = number % 2 === 1;
  if (forgotten) await sandbox.store.remove('snapshots', id);
  const { blobs, orphans, errors } = await prune(await sandbox.open(), PRUNE);
  assert.deepEqual({ twice: blobs.duplicate, unlisted: orphans.packs, errors }, { twice: 0, unlisted: 0, errors: 0 });
  return forgotten ? 0 : 1;
}

/** A few files of each size, of which some stay. */
function change(directory: string, round: number): void {
  for (let i = 0; i < 4; i++) {
    const below = join(directory, `folder ${i}`);
    mkdirSync(below, { recursive: true });
    writeFileSync(join(below, `big ${round % 3}`), randomBytes(500_000));
    for (let j = 0; j < 10; j++) writeFileSync(join(below, `small ${j} ${round % 2}`), randomBytes(500 * j));
  }
}

/** @returns the number of packs */
export async function checkAll(direct: Store): Promise<number> {
  assert.deepEqual(await names(direct, 'locks'), []);
  const repository = await openRepository(direct, { unlock: { password: PASSWORD } });
  const { findings, read, packs, orphans } = await check(repository, { readData: parseSubset('1/1') });
  assert.deepEqual(findings, []);
  assert.equal(orphans.count, 0);
  assert.equal(read.count, packs.count);
  return packs.count;
}

/** Programs and connections end a moment after close. */
export async function nothingRemains(way: Way): Promise<void> {
  for (const end = Date.now() + ENDING * 1000; way.remains().length > 0 && Date.now() < end; ) await sleep(20);
  assert.deepEqual(way.remains(), []);
}
