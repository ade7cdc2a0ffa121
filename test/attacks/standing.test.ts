import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findParent, requireParent } from '../../src/backup/parent.js';
import { toHex } from '../../src/bytes/hex.js';
import { sealObject } from '../../src/crypto/sealed.js';
import { encodeConfig } from '../../src/format/config.js';
import { encodeSnapshot, type Snapshot } from '../../src/format/snapshot.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { addKeySlot } from '../../src/repository/keys/key-slots.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { putSigned, type Repository } from '../../src/repository/repository.js';
import { findSnapshot, listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { planForget } from '../../src/retention/forget.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { Beneath } from '../servers/beneath.js';

const scratch = scratchDirectory();
const BY_HOST = { host: true, paths: true, tags: false };
const YEAR = 365 * 24 * 3600;
let made = 0;

/** A repository with a key of a machine that backs up the host `web` only. */
async function withMachine(): Promise<{ sandbox: Sandbox; machine: Repository; directory: string }> {
  const directory = join(scratch, String(made++));
  const sandbox = await Sandbox.create(directory);
  mkdirSync(sandbox.source, { recursive: true });
  writeFileSync(join(sandbox.source, 'file'), 'content');
  const key = { role: 'append', unlock: { password: 'web' }, user: 'robot', host: 'web', logN: 10 } as const;
  await addKeySlot(await sandbox.open(), key);
  const machine = await openRepository(sandbox.store, { unlock: key.unlock, cacheDirectory: undefined });
  return { sandbox, machine, directory };
}

/** Writes a snapshot as the machine's key, whatever it says. */
const speak = (machine: Repository, snapshot: Snapshot): Promise<string> =>
  putSigned(machine, 'snapshot', encodeSnapshot(snapshot));

test('backup refuses a host that an append key is not for, and says which hosts it may back up', async () => {
  const { sandbox, machine } = await withMachine();
  const indexed = await loadIndex(machine);
  await assert.rejects(
    sandbox.backup({ host: 'db' }, indexed),
    isVarveError(
      'role',
      /^this key backs up only web, not db: with --host, name one of these; or add a key for db: `varve/,
    ),
  );
  assert.ok((await sandbox.backup({ host: 'web' }, indexed)).id);
});

test('a snapshot of another host is never the latest, no parent, and no reason to remove another', async () => {
  const { sandbox, machine } = await withMachine();
  const { snapshot, id } = await sandbox.backup({ host: 'db' });
  for (let later = 1; later <= 7; later++)
    await speak(machine, { ...snapshot, time: { ...snapshot.time, seconds: snapshot.time.seconds + later } });
  const list = await listSnapshots(await sandbox.open());
  assert.deepEqual(
    list.snapshots.map(({ doubt }) => doubt),
    [undefined, ...Array(7).fill('foreign')],
  );
  assert.equal(findSnapshot(list, 'latest').id, id);
  const own = toHex((await sandbox.open()).identity.slot);
  const backup = { host: 'db', paths: snapshot.paths, tags: [], time: undefined };
  assert.equal(findParent(list, backup, BY_HOST, own)?.id, id);
  const policy = { counts: { last: 7 }, within: undefined, withinEach: {}, tags: [] };
  const groups = planForget(list.snapshots, { policy: { ...policy, counts: { last: 1 } }, groupBy: BY_HOST });
  assert.deepEqual(
    groups.map(({ keep, remove }) => [keep.map(({ stored }) => stored.id), remove.length]),
    [[[id], 0]],
  );
});

test('a snapshot that is more than a day ahead is never the latest, no parent, and not counted by a policy', async () => {
  const { sandbox, machine } = await withMachine();
  const indexed = await loadIndex(machine);
  const { snapshot, id } = await sandbox.backup({ host: 'web' }, indexed);
  const now = snapshot.time.seconds;
  const soon = await speak(machine, { ...snapshot, time: { ...snapshot.time, seconds: now + 3600 } });
  await speak(machine, { ...snapshot, time: { ...snapshot.time, seconds: now + YEAR } });
  const list = await listSnapshots(await sandbox.open());
  assert.deepEqual(
    list.snapshots.map(({ doubt }) => doubt),
    [undefined, undefined, 'ahead'],
  );
  assert.equal(findSnapshot(list, 'latest').id, soon, 'clocks differ a little');
  assert.ok(id !== undefined && list.snapshots[2] !== undefined);
  const own = toHex(machine.identity.slot);
  const ahead = list.snapshots[2];
  assert.throws(
    () => requireParent(ahead, own),
    isVarveError('usage', /its time is in the future; leave out --parent/),
  );
});

test('a backup reads the files again when another append key says that they are unchanged', async () => {
  const { sandbox, machine } = await withMachine();
  await addKeySlot(await sandbox.open(), {
    role: 'append',
    unlock: { password: 'thief' },
    user: 'thief',
    host: 'web',
    hosts: 'any',
    logN: 10,
  });
  const thief = await openRepository(sandbox.store, { unlock: { password: 'thief' }, cacheDirectory: undefined });
  // What a thief can see of a file without reading it: he stores other bytes under the same sizes, times and inodes.
  const path = join(sandbox.source, 'file');
  const honest = readFileSync(path);
  writeFileSync(path, 'CONTENT');
  const forged = await sandbox.backup({ host: 'web' }, await loadIndex(thief));
  writeFileSync(path, honest);
  const later = { seconds: forged.snapshot.time.seconds + YEAR, nanoseconds: 0 };
  const summary = forged.snapshot.summary && { ...forged.snapshot.summary, backup_start: later };
  await speak(thief, { ...forged.snapshot, summary });
  await speak(thief, { ...forged.snapshot, summary, time: later });

  const list = await listSnapshots(await sandbox.open());
  const backup = { host: 'web', paths: forged.snapshot.paths, tags: [], time: undefined };
  for (const slot of [machine.identity.slot, (await sandbox.open()).identity.slot])
    assert.equal(findParent(list, backup, BY_HOST, toHex(slot)), undefined);
  const [first] = list.snapshots;
  assert.ok(first !== undefined);
  assert.throws(
    () => requireParent(first, toHex(machine.identity.slot)),
    isVarveError('usage', /another append key signed it \(thief@web\)/),
  );
  const { snapshot } = await sandbox.backup({ host: 'web', parent: undefined });
  const { target } = await sandbox.restore(snapshot.root);
  assert.equal(readFileSync(join(target, path), 'utf8'), 'content');
});

test('opening refuses a config that an append key has sealed, whatever it says', async () => {
  const { sandbox, machine, directory } = await withMachine();
  const beneath = await Beneath.open(join(directory, 'repository'));
  const original = await sandbox.store.get('config', 'config');
  const tiny = { min: 64, average: 64, max: 64 };
  for (const change of [{ data: tiny, tree: tiny }, { gear: Buffer.alloc(32, 7) }, {}]) {
    const config = encodeConfig({ ...machine.config, ...change });
    await beneath.plant('config', 'config', Buffer.from(sealObject(machine.keys, 'config', config, { epoch: 1 })));
    await assert.rejects(sandbox.open(), isVarveError('damaged', /config: it is not the one that the keys of this/));
  }
  await beneath.plant('config', 'config', original);
  await sandbox.open();
});
