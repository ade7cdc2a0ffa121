import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { CurrentFile } from '../../src/backup/current-file.js';
import type { BackupProgress } from '../../src/backup/options.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { ForwardingStore } from '../../src/storage/guards/forwarding.js';
import type { ObjectType } from '../../src/storage/store.js';
import { openTestStore } from '../servers/test-place.js';
import { Sandbox, scratchDirectory } from './sandbox.js';

const scratch = scratchDirectory();

/** A store that takes packs only when it may. */
class HeldStore extends ForwardingStore {
  mayTake = (): boolean => true;

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    while (type === 'data' && !this.mayTake()) await setTimeout(5);
    return super.put(type, name, parts);
  }
}

async function sandboxOf(name: string): Promise<{ sandbox: Sandbox; store: HeldStore }> {
  const store = new HeldStore(await openTestStore(join(scratch, name, 'repository'), 'memory'));
  const sandbox = await Sandbox.create(join(scratch, name), { store });
  for (const directory of ['a', 'a/b', 'left-out', 'cache']) mkdirSync(join(sandbox.source, directory));
  for (const file of ['top', 'a/one', 'a/b/two.tmp', 'a/b/three', 'left-out/four', 'cache/data'])
    writeFileSync(join(sandbox.source, file), randomBytes(1000));
  writeFileSync(join(sandbox.source, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55');
  truncateSync(join(sandbox.source, 'top'), 1_000_000);
  symlinkSync('top', join(sandbox.source, 'link'));
  return { sandbox, store };
}

test('scan counts what the backup reads when rules exclude a part', { timeout: 60_000 }, async () => {
  const { sandbox, store } = await sandboxOf('counts');
  let progress: (() => BackupProgress) | undefined;
  store.mayTake = () => progress?.().scanned?.isComplete === true;
  const filter = { ...NO_FILTER, excludes: ['*.tmp', 'left-out'], excludeCaches: true };
  const { summary } = await sandbox.backup({
    scan: true,
    filter,
    onStart: (ask) => {
      progress = ask;
    },
  });
  assert.deepEqual(progress?.().scanned, {
    files: summary.total_files_processed,
    bytes: summary.total_bytes_processed,
    isComplete: true,
  });
  assert.equal(summary.total_files_processed, 4);
});

test('scan runs only on request and without a parent', async () => {
  const { sandbox } = await sandboxOf('parent');
  for (const changes of [{}, { scan: true, parent: 'latest' as const }]) {
    let progress: (() => BackupProgress) | undefined;
    await sandbox.backup({
      ...changes,
      onStart: (ask) => {
        progress = ask;
      },
    });
    assert.equal(progress?.().scanned, undefined);
  }
});

test('CurrentFile returns the path, or the end of a long path', () => {
  const writer = new CurrentFile();
  const reader = new CurrentFile(writer.memory);
  assert.equal(reader.get(), undefined);
  writer.set(Buffer.from('/home/anna/letter.odt'));
  assert.equal(reader.get()?.toString(), '/home/anna/letter.odt');
  writer.set(Buffer.from(`/${'x'.repeat(5000)}/end`));
  assert.match(reader.get()?.toString() ?? '', /^x{1020}\/end$/);
  writer.clear();
  assert.equal(reader.get(), undefined);
});
