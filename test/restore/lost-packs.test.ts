import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../src/format/content.js';
import type { ObjectType, Range } from '../../src/storage/store.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { assertSameTree } from '../backup/tree-image.js';
import { Beneath } from '../servers/beneath.js';
import { openTestStore } from '../servers/test-place.js';
import { ForwardingStore } from '../storage/forwarding-store.js';

const scratch = scratchDirectory();
let number = 0;

/** What is there takes a while to be read; that something is lost is known at once, or when `tellsLoss` says so. */
class SlowStore extends ForwardingStore {
  tellsLoss = (): boolean => true;

  override async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    const bytes = await super.get(type, name, range).catch(async (cause) => {
      while (!this.tellsLoss()) await delay(1);
      throw cause;
    });
    if (type === 'data') await delay(50);
    return bytes;
  }
}

class Loss {
  readonly store: SlowStore;
  readonly beneath: Beneath;
  readonly #directory: string;
  readonly #lost: { readonly name: string; readonly bytes: Buffer }[] = [];

  private constructor(directory: string, store: SlowStore, beneath: Beneath) {
    this.#directory = directory;
    this.store = store;
    this.beneath = beneath;
  }

  static async create(): Promise<Loss> {
    const directory = join(scratch, String(number++));
    const place = join(directory, 'repository');
    return new Loss(directory, new SlowStore(await openTestStore(place, 'memory')), await Beneath.open(place));
  }

  async sandbox(): Promise<Sandbox> {
    return Sandbox.create(this.#directory, { store: this.store });
  }

  /** Takes away all packs of a kind that are there now. */
  async lose(sandbox: Sandbox, kind: BlobKind): Promise<void> {
    const { index } = await sandbox.indexed();
    for (let pack = 0; pack < index.packCount; pack++) {
      const name = index.packName(pack);
      if (index.packKind(pack) !== kind) continue;
      this.#lost.push({ name, bytes: await this.store.get('data', name) });
      await this.store.remove('data', name);
    }
    rmSync(join(sandbox.directory, 'cache'), { recursive: true });
  }

  async find(): Promise<void> {
    for (const { name, bytes } of this.#lost) await this.store.put('data', name, [bytes]);
  }
}

test('--delete keeps the contents of a directory that cannot be read', async () => {
  const loss = await Loss.create();
  const sandbox = await loss.sandbox();
  mkdirSync(join(sandbox.source, 'sub'));
  writeFileSync(join(sandbox.source, 'sub/file'), 'precious');
  writeFileSync(join(sandbox.source, 'file'), 'old');
  const first = await sandbox.backup();
  const { target } = await sandbox.restoreSource(first.snapshot.root);
  await loss.lose(sandbox, TREE);
  writeFileSync(join(sandbox.source, 'file'), 'newer');
  const second = await sandbox.backup({ sources: [Buffer.from(join(sandbox.source, 'file'))] });
  writeFileSync(join(target, 'other'), 'not in the snapshot');
  const half = await sandbox.restoreSource(second.snapshot.root, { target, delete: true });
  assert.equal(half.progress.errors, 0);
  assert.deepEqual(readdirSync(target), ['file'], 'of a whole folder what it does not have is deleted');
  const lost = await sandbox.restore(first.snapshot.root, { target, delete: true });
  assert.equal(lost.progress.errors, 1);
  assert.equal(lost.progress.filesDeleted, 0);
  assert.equal(readFileSync(join(target, 'file'), 'utf8'), 'newer');
});

const PART = 3_000_000;

/** A snapshot with a file whose first part is lost, and another file. */
async function partlyLost(): Promise<{ loss: Loss; sandbox: Sandbox; root: ContentRef }> {
  const loss = await Loss.create();
  const sandbox = await loss.sandbox();
  const part = randomBytes(PART);
  writeFileSync(join(sandbox.source, 'one'), part);
  await sandbox.backup();
  rmSync(join(sandbox.source, 'one'));
  writeFileSync(join(sandbox.source, 'two'), Buffer.concat([part, randomBytes(PART)]));
  writeFileSync(join(sandbox.source, 'three'), 'unharmed');
  await loss.lose(sandbox, DATA);
  const { snapshot } = await sandbox.backup();
  return { loss, sandbox, root: snapshot.root };
}

test('restore gives a file no name while a part is lost, and completes it later', async () => {
  const { loss, sandbox, root } = await partlyLost();
  const { target, progress, events } = await sandbox.restoreSource(root);
  assert.deepEqual(
    events.map((event) => [event.kind, event.path.toString()]),
    [['error', '/two']],
  );
  assert.equal(progress.filesRestored, 1);
  assert.equal(progress.bytesRestored, 'unharmed'.length);
  assert.deepEqual(readdirSync(target), ['three'], 'nor is anything left of it');
  await loss.find();
  await sandbox.restoreSource(root, { target, overwrite: 'if-changed' });
  assertSameTree(target, sandbox.source);
});

test('restore takes back the progress of a file when a later part is lost', async () => {
  const { loss, sandbox, root } = await partlyLost();
  let told = 0;
  const { target, progress, events } = await sandbox.restoreSource(root, {
    onStart: (sofar) => {
      loss.store.tellsLoss = () => {
        told = Math.max(told, sofar().bytesRestored);
        return told > PART / 2;
      };
    },
  });
  assert.ok(told > PART / 2, 'some of it was there before the loss was known');
  assert.deepEqual(
    events.map((event) => [event.kind, event.path.toString()]),
    [['error', '/two']],
  );
  assert.equal(progress.filesRestored, 1);
  assert.equal(progress.bytesRestored, 'unharmed'.length);
  assert.deepEqual(readdirSync(target), ['three']);
});

test('restore reads the files at the beginning of a truncated pack', async () => {
  const loss = await Loss.create();
  const sandbox = await loss.sandbox();
  const names = Array.from({ length: 35 }, (_, at) => `file ${at}`).sort();
  for (const name of names) writeFileSync(join(sandbox.source, name), randomBytes(100_000));
  const { snapshot } = await sandbox.backup({ threads: 1 });
  const { index } = await sandbox.indexed();
  for (let pack = 0; pack < index.packCount; pack++) {
    const name = index.packName(pack);
    if (index.packKind(pack) !== DATA) continue;
    await loss.beneath.change('data', name, (bytes) => bytes.subarray(0, Math.floor(bytes.length * 0.9)));
  }
  const { target, progress, events } = await sandbox.restoreSource(snapshot.root);
  assert.ok(progress.filesRestored > 0 && progress.errors > 0, `${progress.filesRestored} of ${names.length}`);
  const lost = events.map(({ path }) => path.toString().slice(1));
  assert.deepEqual([...lost, ...readdirSync(target)].sort(), names);
  for (const name of readdirSync(target))
    assert.ok(readFileSync(join(target, name)).equals(readFileSync(join(sandbox.source, name))));
});

test('restore links no name to another file in place of a lost one', async () => {
  const loss = await Loss.create();
  const sandbox = await loss.sandbox();
  writeFileSync(join(sandbox.source, 'first'), randomBytes(100_000));
  linkSync(join(sandbox.source, 'first'), join(sandbox.source, 'second'));
  const { snapshot } = await sandbox.backup();
  await loss.lose(sandbox, DATA);
  const target = join(sandbox.directory, 'target');
  mkdirSync(target);
  writeFileSync(join(target, 'first'), 'stale');
  const { progress, events } = await sandbox.restoreSource(snapshot.root, { target });
  assert.equal(progress.filesRestored, 0);
  assert.deepEqual(events.map(({ path }) => path.toString()).sort(), ['/first', '/second']);
  assert.ok(!existsSync(join(target, 'second')));
});
