import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFailure } from '../../src/backup/file-storer.js';
import type { BackupProgress } from '../../src/backup/options.js';
import { VarveError } from '../../src/errors/errors.js';
import { systemError } from '../../src/filesystem/libc.js';
import { TREE } from '../../src/format/content.js';
import { ForwardingStore } from '../../src/storage/guards/forwarding.js';
import type { ObjectType } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';
import { openTestStore } from '../servers/test-place.js';
import { Sandbox, scratchDirectory } from './sandbox.js';
import { assertSameTree } from './tree-image.js';

const scratch = scratchDirectory();

/** A store that fails to take the first pack, when it is told to. */
class FailingStore extends ForwardingStore {
  #held: (() => void) | undefined;

  fail(): void {
    this.#held?.();
  }

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    if (type === 'data' && this.#held === undefined) {
      await new Promise<void>((resolve) => {
        this.#held = resolve;
      });
      throw new VarveError('storage', 'the network is gone');
    }
    return super.put(type, name, parts);
  }
}

test('backup makes no snapshot when a pack could not be stored', async () => {
  const DIRECTORIES = 60;
  const FILES = 400;
  const store = new FailingStore(await openTestStore(join(scratch, 'failing/repository'), 'memory'));
  const sandbox = await Sandbox.create(join(scratch, 'failing'), { store });
  writeFileSync(join(sandbox.source, 'first'), randomBytes(24 << 20));
  for (let directory = 0; directory < DIRECTORIES; directory++) {
    mkdirSync(join(sandbox.source, String(directory)));
    for (let file = 0; file < FILES; file++)
      writeFileSync(join(sandbox.source, String(directory), randomBytes(20).toString('hex')), '');
  }
  let progress: (() => BackupProgress) | undefined;
  const timer = setInterval(() => {
    if (progress?.().counters.filesNew === DIRECTORIES * FILES + 1) store.fail();
  }, 0);
  const running = sandbox.backup({
    onStart: (ask) => {
      progress = ask;
    },
  });
  await assert.rejects(
    running.finally(() => clearInterval(timer)),
    isVarveError('storage', /the network is gone/),
  );
  assert.equal((await sandbox.snapshots()).length, 0);
});

/** An interruption comes while a pack is stored. */
class Interrupting extends ForwardingStore {
  readonly abort = new AbortController();

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    if (type !== 'data') return super.put(type, name, parts);
    this.abort.abort();
    throw new VarveError('interrupted', `cannot write data/${name}: interrupted`);
  }
}

test('backup reports a request that the interruption ended as interrupted', async () => {
  const store = new Interrupting(await openTestStore(join(scratch, 'interrupted/repository'), 'memory'));
  const sandbox = await Sandbox.create(join(scratch, 'interrupted'), { store });
  writeFileSync(join(sandbox.source, 'file'), randomBytes(1000));
  await assert.rejects(
    sandbox.backup({ signal: store.abort.signal }),
    isVarveError('interrupted', /what was stored is kept/),
  );
});

test('backup counts only faults of a path as errors of the path', () => {
  assert.equal(readFailure(systemError(13, 'open')), 'permission denied');
  assert.equal(readFailure(new VarveError('source', 'was replaced')), 'was replaced');
  for (const cause of [new RangeError('no memory'), new VarveError('storage', 'gone'), new TypeError('a mistake')])
    assert.throws(() => readFailure(cause), cause);
});

test('backup stops within a large file when it is aborted', { timeout: 60_000 }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'large'));
  const size = 4 * 2 ** 30;
  execFileSync('fallocate', ['--length', String(size), join(sandbox.source, 'large')]);
  const abort = new AbortController();
  let progress: (() => BackupProgress) | undefined;
  const running = sandbox.backup({
    signal: abort.signal,
    onStart: (ask) => {
      progress = ask;
    },
  });
  const isReading = (): boolean => progress?.().current.some((path) => path.toString().endsWith('/large')) === true;
  while ((progress?.().counters.bytes ?? 0) === 0 || !isReading())
    await new Promise((resolve) => setTimeout(resolve, 10));
  abort.abort();
  await assert.rejects(running, isVarveError('interrupted'));
  assert.ok((progress?.().counters.bytes ?? 0) < size / 2);
  assert.equal((await sandbox.snapshots()).length, 0);
});

for (const kept of ['none', 'the first'] as const)
  test(`backup stores all again and ends without errors when ${kept} of the parent's index objects is left`, async () => {
    const store = await openTestStore(join(scratch, `unlisted ${kept}/repository`), 'memory');
    const sandbox = await Sandbox.create(join(scratch, `unlisted ${kept}`), { store });
    mkdirSync(join(sandbox.source, 'deep'));
    writeFileSync(join(sandbox.source, 'deep', 'old'), randomBytes(300_000));
    await sandbox.backup();
    const first = new Set<string>();
    for await (const { name } of store.list('index')) first.add(name);
    writeFileSync(join(sandbox.source, 'deep', 'new'), randomBytes(300_000));
    await sandbox.backup({ parent: 'latest' });
    for await (const { name } of store.list('index'))
      if (kept === 'none' || !first.has(name)) await store.remove('index', name);
    const { snapshot, errors, events } = await sandbox.backup({ parent: 'latest' });
    assert.deepEqual(
      events.filter(({ kind }) => kind === 'error'),
      [],
    );
    assert.equal(errors, 0);
    const warnings = events.flatMap((event) => (event.kind === 'changed' ? [event.message] : []));
    assert.match(
      warnings.join('\n'),
      /cannot be compared with the parent snapshot: tree blob .*; it is read and stored again/,
    );
    const { target } = await sandbox.restoreSource(snapshot.root);
    assertSameTree(target, sandbox.source);
  });

test('backup succeeds when the parent lost a list of chunks', async () => {
  const store = await openTestStore(join(scratch, 'list/repository'), 'memory');
  const data = { min: 256, average: 1024, max: 4096 };
  const sandbox = await Sandbox.create(join(scratch, 'list'), { store, data });
  writeFileSync(join(sandbox.source, 'many chunks'), randomBytes(4_000_000));
  await sandbox.backup();
  const { index } = await sandbox.indexed();
  const trees = Array.from({ length: index.packCount }, (_, pack) => pack).filter(
    (pack) => index.packKind(pack) === TREE,
  );
  const lost = trees.map((pack) => index.packName(pack));
  writeFileSync(join(sandbox.source, 'another'), 'file');
  await sandbox.backup({ parent: 'latest' });
  for (const name of lost) await store.remove('data', name);
  rmSync(join(sandbox.directory, 'cache'), { recursive: true });
  writeFileSync(join(sandbox.source, 'another'), 'content');
  const { id, errors, events } = await sandbox.backup({ parent: 'latest' });
  assert.ok(id);
  const messages = events.flatMap((event) => (event.kind === 'error' ? [`${event.path}: ${event.message}`] : []));
  assert.equal(messages.length, errors);
  assert.match(messages.join('\n'), /many chunks: cannot be compared with the parent snapshot: .*data\/[0-9a-f]{64}/);
  // Without the index objects that list what is lost, all is stored anew.
  for await (const { name } of store.list('index')) await store.remove('index', name);
  const { snapshot } = await sandbox.backup();
  const { target } = await sandbox.restoreSource(snapshot.root);
  assertSameTree(target, sandbox.source);
});
