import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { CheckResult } from '../../src/check/options.js';
import { scrub } from '../../src/check/scrub.js';
import { ALL } from '../../src/check/subset.js';
import { VarveError } from '../../src/errors/errors.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { restore } from '../../src/restore/restore.js';
import { objectPath } from '../../src/storage/store.js';
import { PASSWORD, scratchDirectory } from '../backup/sandbox.js';
import { WHOLE } from '../whole.js';
import { DamageableRepository, foreignObjects, type Kind, SPARE, TYPES } from './damageable-repository.js';
import { type Damage, damage } from './damages.js';

/** `npm run test:damage` sets it. */
const CASES = Number(process.env.VARVE_DAMAGE_CASES || (WHOLE ? 60 : 35));
const SEED = Number(process.env.VARVE_DAMAGE_SEED || 0);

const scratch = scratchDirectory();
let damageable: DamageableRepository;
let foreign: Readonly<Record<Kind, Buffer>>;

before(async () => {
  damageable = await DamageableRepository.create(join(scratch, 'damageable'));
  foreign = await foreignObjects(join(scratch, 'foreign'));
});

const objectsOf = ({ findings }: Pick<CheckResult, 'findings'>): string[] =>
  findings.map(({ object }) => object).sort();

const namesOf = ({ kind, names }: Damage): string[] => names.map((name) => objectPath(TYPES[kind], name)).sort();

/** Nobody can know of these that they were there. */
const LEAVES_NO_TRACE: readonly Kind[] = ['key', 'snapshot', 'lease'];

/** What check must name. */
function expected(done: Damage): string[] {
  if (done.way !== 'deleted') return namesOf(done);
  if (LEAVES_NO_TRACE.includes(done.kind)) return [];
  return done.kind === 'index' ? ['blobs'] : namesOf(done);
}

async function assertFound(done: Damage, password: string): Promise<void> {
  const result = await damageable.check({ readData: ALL }, password);
  const wanted = expected(done);
  const found = objectsOf(result).filter((object) => object !== 'blobs' || wanted.includes('blobs'));
  assert.deepEqual(found, wanted);
  const touching = result.findings.filter(({ subject }) => subject !== 'snapshots');
  const loss = await damageable.loss(password);
  assert.deepEqual([...new Set(touching.flatMap(({ files }) => files.map(String)))].sort(), loss.files);
  assert.deepEqual([...new Set(touching.flatMap(({ snapshots }) => [...snapshots]))].sort(), loss.snapshots);
  if (TYPES[done.kind] === 'data') await assertRestored(loss.files);
  if (done.way !== 'deleted' || !LEAVES_NO_TRACE.includes(done.kind)) assert.ok(result.findings.length > 0);
  if (done.way === 'flipped' && TYPES[done.kind] === 'data') return;
  // Without reading the packs whole it is seen as well, unless their sizes and directories are as they were.
  const quick = await damageable.check({}, password);
  assert.deepEqual(objectsOf(quick), objectsOf(result));
}

/** A restore of the latest snapshot brings back all files but those that were named. */
async function assertRestored(lost: readonly string[]): Promise<void> {
  const { source, directory } = damageable.sandbox;
  const repository = await loadIndex(await damageable.open());
  const { snapshots } = await listSnapshots(repository);
  const root = (snapshots.at(-1) as StoredSnapshot).snapshot.root;
  const target = join(directory, 'restored');
  await restore(repository, { root, target, threads: 1, setOwner: false });
  const isLost = (path: string): boolean =>
    lost.some((each) => path === each || (each.endsWith('/') && path.startsWith(each)));
  for (const name of readdirSync(source, { recursive: true }).map(String)) {
    const path = join(source, name);
    if (!statSync(path).isFile() || isLost(path)) continue;
    assert.ok(readFileSync(join(target, path)).equals(readFileSync(path)), path);
  }
  rmSync(target, { recursive: true });
}

async function assertScrubbed(done: Damage): Promise<void> {
  const { findings } = await scrub(damageable.sandbox.store, { threads: 1 });
  const changed = done.way === 'deleted' || done.kind === 'config' ? [] : namesOf(done);
  assert.deepEqual(objectsOf({ findings }), changed);
}

/** A key whose slot is as it was. */
async function soundPassword(): Promise<string> {
  for (const password of [PASSWORD, ...SPARE]) {
    const opened = await damageable.open(password).catch((cause: unknown) => VarveError.from(cause));
    if (!(opened instanceof VarveError)) return password;
  }
  throw new Error('no key opens');
}

test('check finds nothing wrong with a sound repository', async () => {
  const result = await damageable.check({ readData: ALL });
  assert.deepEqual(result.findings, []);
  assert.deepEqual([result.snapshots, result.orphans.count, result.unopened], [3, 0, 0]);
  assert.deepEqual(result.read, result.packs);
  assert.deepEqual((await damageable.loss()).files, []);
});

for (let number = SEED; number < SEED + CASES; number++) {
  test(`check finds damage ${number}`, { timeout: 60_000 }, async (t) => {
    const done = await damage(damageable, foreign, number);
    t.diagnostic(`${done.kind} ${done.way}`);
    try {
      if (done.kind === 'config') {
        await assert.rejects(damageable.check(), (error: VarveError) => {
          // A bit of its epoch makes it that of another key.
          const codes = done.way === 'deleted' ? ['no-repository'] : ['damaged', 'role'];
          assert.ok(codes.includes(error.code), error.code);
          assert.match(error.message, /config/);
          return true;
        });
      } else await assertFound(done, await soundPassword());
      if (done.kind !== 'config' || done.way !== 'deleted') await assertScrubbed(done);
    } finally {
      await done.heal();
    }
  });
}
