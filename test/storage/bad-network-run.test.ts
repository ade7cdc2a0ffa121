import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { check } from '../../src/check/check.js';
import { parseSubset } from '../../src/check/subset.js';
import { prune } from '../../src/prune/prune.js';
import { openRepository } from '../../src/repository/open.js';
import { systemClock } from '../../src/storage/guards/clock.js';
import { openGuarded } from '../../src/storage/guards/guard.js';
import { openRest } from '../../src/storage/rest/open.js';
import { PASSWORD, Sandbox } from '../backup/sandbox.js';
import { assertSameTree, treeImage } from '../backup/tree-image.js';
import { fails } from '../crypto/rings.js';
import { startServer } from '../serve/running.js';
import { type BadNetwork, FAULTS, startBadNetwork } from '../servers/bad-network.js';
import { names } from './conformance.js';
import { settings } from './transport/settings.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-bad-network-'));
let network: BadNetwork | undefined;
after(async () => {
  await network?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const SMALL_CHUNKS = { min: 4096, average: 16 * 1024, max: 64 * 1024 };
const PACK = 4 * 1024 * 1024;

/** Waits a fiftieth of what it should, so that many failures take little time. */
const IMPATIENT = {
  ...systemClock,
  sleep: (milliseconds: number, signal: AbortSignal) => systemClock.sleep(milliseconds / 50, signal),
};

const total = ({ faults }: BadNetwork): number => [...faults.values()].reduce((sum, count) => sum + count, 0);

test('500 faults over backups, prunes, checks and restores: nothing is lost; then the server goes away for good', async () => {
  const { port } = await startServer();
  network = await startBadNetwork(`127.0.0.1:${port}`, { seed: 5, rate: 0.45, latency: 2, lateness: 30 });
  const how = settings({ retrySeconds: 60 });
  const open = (host: string) =>
    openGuarded('rest:', () => openRest(`http://${host}/repository/`, how), how, IMPATIENT);
  const store = await open(network.host);
  const direct = await open(`127.0.0.1:${port}`);
  const sandbox = await Sandbox.create(join(scratch, 'sandbox'), { store, data: SMALL_CHUNKS });
  let snapshots = 0;
  for (let round = 0; total(network) < 500; round++) {
    change(sandbox.source, round);
    const image = treeImage(sandbox.source);
    const { id, snapshot } = await sandbox.backup({ packTarget: PACK, parent: 'latest' });
    snapshots++;
    const { target } = await sandbox.restoreSource(snapshot.root);
    assertSameTree(target, image);
    rmSync(target, { recursive: true });
    // What it shares with the next one stays, the rest goes.
    if (round % 2 === 1) {
      await store.remove('snapshots', id as string);
      snapshots--;
    }
    await prune(await sandbox.open(), {
      maxUnused: { bytes: 0 },
      maxRepack: Number.POSITIVE_INFINITY,
      repackSmall: true,
      graceSeconds: 0,
      dryRun: false,
      packTarget: PACK,
    });
  }
  assert.equal((await names(direct, 'snapshots')).length, snapshots);
  assert.deepEqual(await names(direct, 'locks'), []);
  const sound = await openRepository(direct, { unlock: { password: PASSWORD } });
  const findings = await check(sound, { readData: parseSubset('1/1') });
  assert.deepEqual(findings.findings, []);
  assert.ok(findings.read.count > 0);
  for (const fault of FAULTS) assert.ok((network.faults.get(fault) ?? 0) > 0, `${fault}: ${network.faults.get(fault)}`);

  network.rate = 0;
  change(sandbox.source, 1000);
  const final = settings({ retrySeconds: 1, stuckSeconds: 1 });
  const dying = await openGuarded('rest:', () => openRest(`http://${network?.host}/repository/`, final), final);
  const repository = await openRepository(dying, { unlock: { password: PASSWORD } });
  network.after(6, () => network?.vanish('refusing'));
  const began = performance.now();
  await assert.rejects(
    prune(repository, {
      maxUnused: { bytes: 0 },
      maxRepack: Number.POSITIVE_INFINITY,
      repackSmall: true,
      graceSeconds: 0,
      dryRun: false,
      packTarget: PACK,
    }),
    fails('storage', /given up after \d+ tries|refused/),
  );
  assert.ok(performance.now() - began < 10_000);
  for (const each of [store, direct, dying]) await each.close();
});

/** A few files of each size, of which some stay. */
function change(folder: string, round: number): void {
  for (let i = 0; i < 8; i++) {
    const below = join(folder, `folder ${i}`);
    mkdirSync(below, { recursive: true });
    writeFileSync(join(below, `big ${round % 3}`), randomBytes(700_000));
    for (let j = 0; j < 10; j++) writeFileSync(join(below, `small ${j} ${round % 2}`), randomBytes(500 * j));
  }
}
