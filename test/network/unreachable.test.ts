import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { check } from '../../src/check/check.js';
import { scrub } from '../../src/check/scrub.js';
import { ALL } from '../../src/check/subset.js';
import { VarveError } from '../../src/errors/errors.js';
import { type IndexedRepository, loadIndex } from '../../src/repository/index/index-store.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { restore } from '../../src/restore/restore.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { PASSWORD, Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { FaultyStore } from '../storage/faulty-store.js';

const scratch = scratchDirectory();

test('restores and checks end without reporting damage when the store disappears', async () => {
  const error = new VarveError('unreachable', 'connection refused; nothing has succeeded for 15 min', {
    retryable: true,
  });
  let gone = false;
  let asked = 0;
  const store = new FaultyStore(new MemoryStore(), (method) => {
    if (!gone || method !== 'get') return undefined;
    asked++;
    return { when: 'before', error };
  });
  const sandbox = await Sandbox.create(join(scratch, 'sandbox'), { store });
  for (let i = 0; i < 20; i++) {
    mkdirSync(join(sandbox.source, `${i}`));
    writeFileSync(join(sandbox.source, `${i}`, 'file'), randomBytes(400_000));
  }
  const { snapshot } = await sandbox.backup({ packTarget: 1_000_000 });
  const root = await sandbox.sourceIn(snapshot.root);
  const repository = await sandbox.open();
  // What is cached of trees can be read without the store.
  const cached = await sandbox.indexed();
  const uncached = await loadIndex(await openRepository(store, { unlock: { password: PASSWORD } }));
  gone = true;
  const told: string[] = [];
  const onFinding = ({ message }: { readonly message: string }): void => void told.push(message);
  const restored = (indexed: IndexedRepository, name: string): Promise<unknown> =>
    restore(indexed, {
      root,
      target: join(sandbox.directory, name),
      setOwner: false,
      threads: 1,
      onEvent: (event) => event.kind === 'error' && onFinding(event),
    });
  const doings: readonly (() => Promise<unknown>)[] = [
    () => restored(cached, 'one'),
    () => restored(uncached, 'two'),
    () => check(repository, { readData: ALL, threads: 1, onFinding }),
    () => scrub(store, { threads: 1, onFinding }),
  ];
  for (const doing of doings) {
    asked = 0;
    await assert.rejects(doing(), isVarveError('unreachable', /nothing has succeeded/));
    assert.ok(asked > 0 && asked < 15, `${asked} requests`);
    assert.deepEqual(told, []);
  }
});
