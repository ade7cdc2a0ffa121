import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import type { CheckResult } from '../../src/check/options.js';
import { scrub } from '../../src/check/scrub.js';
import { ALL } from '../../src/check/subset.js';
import { type ContentRef, DATA, TREE } from '../../src/format/content.js';
import { encodeIndexObject } from '../../src/format/index-object.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { loadAndAdopt } from '../../src/repository/index/orphans.js';
import { originOf } from '../../src/repository/index/trust.js';
import { rotateKeySlots } from '../../src/repository/keys/key-slots.js';
import { HeldLease } from '../../src/repository/leases/leases.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { readPackDirectory } from '../../src/repository/packs/pack-directory.js';
import { putSigned, type Repository } from '../../src/repository/repository.js';
import { writeSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { Forge } from '../restore/crafted.js';
import { Beneath } from '../servers/beneath.js';

const scratch = scratchDirectory();
let number = 0;
const place = (): string => join(scratch, String(number++));

async function sandboxWithFiles(store?: MemoryStore): Promise<Sandbox> {
  const sandbox = await Sandbox.create(place(), store && { store });
  for (const directory of ['a', 'b', 'a/c']) {
    mkdirSync(join(sandbox.source, directory), { recursive: true });
    for (const name of ['one', 'two']) writeFileSync(join(sandbox.source, directory, name), randomBytes(100_000));
  }
  return sandbox;
}

async function checked(sandbox: Sandbox, repository?: Repository): Promise<CheckResult> {
  return check(repository ?? (await sandbox.open()), { readData: ALL, threads: 1 });
}

const messages = ({ findings }: CheckResult): string[] => findings.map(({ message }) => message);
const files = ({ findings }: CheckResult): string[] => findings.flatMap((each) => each.files.map(String)).sort();

function openWith(sandbox: Sandbox, password: string): Promise<Repository> {
  return openRepository(sandbox.store, {
    unlock: { password },
    cacheDirectory: join(sandbox.directory, `cache-${password}`),
  });
}

const beneathOf = ({ directory }: Sandbox): Promise<Beneath> => Beneath.open(join(directory, 'repository'));

/** The name of a pack of this kind. */
async function packOf(sandbox: Sandbox, kind: number): Promise<string> {
  const { index } = await sandbox.indexed();
  for (let pack = 0; pack < index.packCount; pack++) {
    if (index.packKind(pack) === kind) return index.packName(pack);
  }
  throw new Error('there is none');
}

test('check reads what append keys wrote, and refuses to run with an append key', async () => {
  const sandbox = await sandboxWithFiles();
  await sandbox.addKey('append', 'append');
  await sandbox.backup({}, await loadIndex(await openWith(sandbox, 'append')));
  await rotateKeySlots(await sandbox.open());
  await sandbox.backup({}, await loadIndex(await openWith(sandbox, 'append')));
  const result = await checked(sandbox);
  assert.deepEqual(messages(result), []);
  assert.equal(result.snapshots, 2);
  await assert.rejects(
    checked(sandbox, await openWith(sandbox, 'append')),
    isVarveError('role', /cannot check the repository/),
  );
});

test('check with a manage key opens no file contents, and names all files of a changed pack', async () => {
  const sandbox = await sandboxWithFiles();
  // More than fit a frame.
  for (let large = 0; large < 4; large++) writeFileSync(join(sandbox.source, `large ${large}`), randomBytes(3_000_000));
  await sandbox.addKey('manage', 'manage');
  await sandbox.backup({ threads: 1 });
  const manage = await openWith(sandbox, 'manage');
  const sound = await checked(sandbox, manage);
  assert.deepEqual(messages(sound), []);
  assert.equal(sound.unopened, 1);
  const beneath = await beneathOf(sandbox);
  await beneath.change('data', await packOf(sandbox, DATA), (bytes) => bytes.fill((bytes[10] as number) ^ 1, 10, 11));
  const [finding] = (await checked(sandbox, manage)).findings;
  assert.match(finding?.message ?? '', /^data\/.*does not match its name$/);
  assert.equal(finding?.fileCount, 10);
  const count = (await checked(sandbox)).findings[0]?.fileCount ?? 0;
  assert.ok(count > 0 && count < 10, String(count));
});

test('check reports losses that the cache would hide', async () => {
  const sandbox = await sandboxWithFiles();
  await sandbox.backup();
  assert.deepEqual(messages(await checked(sandbox)), []);
  const beneath = await beneathOf(sandbox);
  const [index] = (await beneath.names('index')) as [string];
  const bytes = await beneath.get('index', index);
  await beneath.plant('index', index, bytes.subarray(1));
  assert.match(messages(await checked(sandbox)).join(), new RegExp(`^index/${index}: `));
  await beneath.plant('index', index, bytes);
  await beneath.remove('data', await packOf(sandbox, TREE));
  const result = await checked(sandbox);
  assert.match(messages(result).join(), /^data\/[0-9a-f]{64}: is missing$/);
  assert.deepEqual(files(result), ['/']);
  assert.equal(result.suggestRepairIndex, true);
});

test('check reports no error for packs that an interrupted backup left', async () => {
  const sandbox = await sandboxWithFiles();
  await sandbox.backup();
  const beneath = await beneathOf(sandbox);
  const before = new Set([...(await beneath.names('index')), ...(await beneath.names('snapshots'))]);
  writeFileSync(join(sandbox.source, 'new'), randomBytes(50_000));
  await sandbox.backup();
  for (const type of ['index', 'snapshots'] as const)
    for (const name of await beneath.names(type)) if (!before.has(name)) await beneath.remove(type, name);
  const result = await checked(sandbox);
  assert.deepEqual(messages(result), []);
  assert.deepEqual([result.orphans.count, result.suggestPrune, result.backupRunning], [2, true, false]);
  const lease = await HeldLease.acquire(await sandbox.open(), 'backup');
  assert.equal((await checked(sandbox)).backupRunning, true);
  await lease.release();
  // One that is damaged is told, though no snapshot needs it.
  const known = (await sandbox.indexed()).packs;
  const orphan = (await beneath.names('data')).find((name) => !known.has(name)) as string;
  await beneath.change('data', orphan, (bytes) => bytes.subarray(0, 50));
  const damaged = await checked(sandbox);
  assert.match(messages(damaged).join(), new RegExp(`^data/${orphan}: `));
  assert.equal(damaged.findings[0]?.snapshots.size, 0);
  assert.equal((await loadAndAdopt(await sandbox.open())).adopted, 0);
});

/** Counts how often it is asked whether to stop: for every directory that is walked. */
class CountingSignal {
  asked = 0;

  get aborted(): boolean {
    this.asked++;
    return false;
  }
}

test('check reads a shared directory once and names the files of a damaged one in all snapshots', async () => {
  const sandbox = await sandboxWithFiles();
  const { store } = sandbox;
  const { snapshot, id } = await sandbox.backup();
  const repository = await sandbox.open();
  const walked = async (): Promise<number> => {
    const signal = new CountingSignal();
    await check(repository, { signal: signal as unknown as AbortSignal });
    return signal.asked;
  };
  const once = await walked();
  const ids = [id];
  for (let more = 0; more < 20; more++)
    ids.push(await writeSnapshot(repository, { ...snapshot, time: { ...snapshot.time, seconds: more } }));
  // On a busy machine it asks once more or so; directories that it reads again would make it ask 20 times more.
  assert.ok((await walked()) < once + 10);
  const { index } = await sandbox.indexed();
  for (let pack = 0; pack < index.packCount; pack++)
    if (index.packKind(pack) === DATA) await store.remove('data', index.packName(pack));
  const result = await checked(sandbox);
  assert.equal(result.findings.length, 1);
  assert.equal(result.findings[0]?.fileCount, 6);
  assert.deepEqual([...(result.findings[0]?.snapshots ?? [])].sort(), ids.sort());
});

test('check reads through a store that has no files', async () => {
  const store = new MemoryStore();
  const sandbox = await sandboxWithFiles(store);
  await sandbox.backup();
  const result = await checked(sandbox);
  assert.deepEqual(messages(result), []);
  assert.equal(result.read.count, 2);
  assert.deepEqual((await scrub(store, { threads: 1 })).findings, []);
});

test('check accepts missing condemned packs unless a snapshot needs them', async () => {
  const sandbox = await sandboxWithFiles();
  const { id } = await sandbox.backup();
  const name = await packOf(sandbox, DATA);
  const pack = Buffer.from(name, 'hex');
  const time = { seconds: 1, nanoseconds: 0 };
  await putSigned(
    await sandbox.open(),
    'index',
    encodeIndexObject({ time, replaces: [], condemned: [{ pack, time }], packs: [] }),
  );
  const sound = await checked(sandbox);
  assert.deepEqual(messages(sound), []);
  assert.equal(sound.condemned, 1);
  await sandbox.store.remove('data', name);
  assert.match(messages(await checked(sandbox)).join(), /^data\/.*: is missing$/);
  await sandbox.store.remove('snapshots', id as string);
  assert.deepEqual(messages(await checked(sandbox)), []);
});

test('check reports an index object that contradicts a pack', async () => {
  const sandbox = await sandboxWithFiles();
  await sandbox.backup();
  const repository = await sandbox.open();
  const [pack, other] = [await packOf(sandbox, DATA), await packOf(sandbox, TREE)];
  const sizeOf = async (each: string): Promise<number> => (await sandbox.store.stat('data', each))?.size ?? 0;
  const size = await sizeOf(pack);
  const { record } = await readPackDirectory(repository, other, await sizeOf(other));
  const name = Buffer.from(pack, 'hex');
  const time = { seconds: 1, nanoseconds: 0 };
  const written: string[] = [];
  for (const told of [
    { name, size, record, ...originOf(repository) },
    { name, size: size + 1, record, ...originOf(repository) },
  ])
    written.push(
      await putSigned(repository, 'index', encodeIndexObject({ time, replaces: [], condemned: [], packs: [told] })),
    );
  const found = (await checked(sandbox)).findings.filter(({ subject }) => subject === 'index');
  assert.deepEqual(found.map((each) => each.name).sort(), written.sort());
  for (const { message } of found) assert.match(message, /: what it says of data\/[0-9a-f]{64} is not so$/);
});

/** A snapshot of a root that somebody made by hand. */
async function forged(make: (forge: Forge) => ContentRef): Promise<CheckResult> {
  const sandbox = await sandboxWithFiles();
  const { snapshot, id } = await sandbox.backup();
  const repository = await sandbox.open();
  const forge = new Forge(repository);
  const root = make(forge);
  await forge.finish();
  await sandbox.store.remove('snapshots', id as string);
  await writeSnapshot(repository, { ...snapshot, root });
  return checked(sandbox);
}

const CONTRADICTIONS: Record<
  string,
  { readonly make: (forge: Forge) => ContentRef; readonly reason: RegExp; readonly path: string }
> = {
  'a file whose chunks are not as long as it is': {
    make: (forge) => forge.directory({ content: { ...forge.content(randomBytes(1000)), size: 1001 } }),
    reason: /its chunks have 1000 bytes together, not 1001/,
    path: '/name',
  },
  'a directory that is longer than it says': {
    make: (forge) => {
      const directory = forge.directory({ content: forge.content(randomBytes(10)) });
      return { ...directory, size: directory.size - 1 };
    },
    reason: /its chunks have \d+ bytes together/,
    path: '/',
  },
  'names out of order': {
    make: (forge) =>
      forge.directory(
        { name: Buffer.from('b'), target: Buffer.from('x') },
        { name: Buffer.from('a'), target: Buffer.from('x') },
      ),
    reason: /names are out of order/,
    path: '/a',
  },
  'attributes that are none': {
    make: (forge) => forge.directory({ target: Buffer.from('x'), xattrs: Buffer.from([0x91, 1]) }),
    reason: /its extended attributes/,
    path: '/name',
  },
  'a long attachment that is none': {
    make: (forge) => forge.directory({ target: Buffer.from('x'), xattrs: forge.attachment(Buffer.alloc(5000, 0xc1)) }),
    reason: /its extended attributes/,
    path: '/name',
  },
  'holes that do not add up': {
    make: (forge) =>
      forge.directory({ content: forge.content(randomBytes(10)), size: 100, holes: Buffer.from([0x92, 10, 80]) }),
    reason: /the list of its holes/,
    path: '/name',
  },
  'a file made of a directory': {
    make: (forge) => forge.directory({ content: forge.directory({ target: Buffer.from('x') }) }),
    reason: /data blob [0-9a-f]{64} is in no pack/,
    path: '/name',
  },
  'a list of chunks that is cut off': {
    make: (forge) => {
      const { ids } = forge.content(randomBytes(100), TREE);
      return forge.directory({ content: { size: 5000, depth: 1, ids } });
    },
    reason: /a list of blobs is cut off|is in no pack/,
    path: '/name',
  },
};

for (const [what, { make, reason, path }] of Object.entries(CONTRADICTIONS)) {
  test(`${what}: check reports its path`, async () => {
    const result = await forged(make);
    assert.match(messages(result).join('\n'), reason);
    assert.deepEqual([...new Set(files(result))], [path]);
    assert.equal(result.findings[0]?.snapshots.size, 1);
  });
}

test('check --read-data finds data stored under the id of other data', async () => {
  const plant = (forge: Forge): ContentRef => {
    const body = randomBytes(1000);
    const ids = [forge.id(randomBytes(1000), DATA)];
    forge.pack(DATA, [{ body, codec: 0, rawLength: 1000, ids, lengths: [1000] }]);
    return forge.directory({ content: { size: 1000, depth: 0, ids: ids[0] as Buffer } });
  };
  const result = await forged(plant);
  assert.match(messages(result).join(), /^data\/[0-9a-f]{64}: a blob holds other data than its id says$/);
  assert.deepEqual(files(result), ['/name']);
});

test('check handles directories that fan out without end around a lost file', {
  timeout: 60_000,
}, async () => {
  const result = await forged((forge) => {
    let directory = forge.directory({ content: { size: 5, depth: 0, ids: randomBytes(32) } });
    for (let depth = 0; depth < 200; depth++)
      directory = forge.directory(
        { name: Buffer.from('a'), type: 'directory', content: directory },
        { name: Buffer.from('b'), type: 'directory', content: directory },
      );
    return directory;
  });
  assert.match(messages(result).join(), /is in no pack that the index lists/);
  assert.equal(result.findings[0]?.files.length, 20);
});

test('check calls a pack damaged when its footer has another epoch', async () => {
  const sandbox = await sandboxWithFiles();
  await sandbox.backup();
  const epoch = -92 + 9;
  const beneath = await beneathOf(sandbox);
  await beneath.change('data', await packOf(sandbox, DATA), (bytes) =>
    bytes.fill(1, bytes.length + epoch, bytes.length + epoch + 1),
  );
  const result = await check(await sandbox.open());
  assert.match(messages(result).join(), /^data\/[0-9a-f]{64}: .*its content does not match its name/);
  assert.equal(result.findings[0]?.fileCount, 0);
});

test('check ends when it is interrupted', async () => {
  const sandbox = await sandboxWithFiles();
  await sandbox.backup();
  const signal = AbortSignal.abort();
  await assert.rejects(check(await sandbox.open(), { signal, readData: ALL }), isVarveError('interrupted'));
  await assert.rejects(scrub(sandbox.store, { signal }), isVarveError('interrupted'));
});
