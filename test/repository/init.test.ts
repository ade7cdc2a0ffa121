import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { ForwardingStore } from '../../src/storage/guards/forwarding.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { ObjectType } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';

const OPTIONS = { unlock: { password: 'pebble' }, cacheDirectory: undefined, user: 'anna', host: 'test', logN: 10 };

/** Stores the config but fails: as when its directory cannot be synced, or the answer is lost. */
class LateFailure extends ForwardingStore {
  removes = true;

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await super.put(type, name, parts);
    if (type === 'config') throw new VarveError('storage', 'cannot write config: input/output error');
  }

  override async remove(type: ObjectType, name: string): Promise<void> {
    if (!this.removes) throw new VarveError('storage', 'input/output error');
    await super.remove(type, name);
  }
}

test('init can be run again when writing the config failed after it was stored', async () => {
  const memory = new MemoryStore();
  await assert.rejects(initRepository(new LateFailure(memory), OPTIONS), isVarveError('storage'));
  await initRepository(memory, OPTIONS);
  await openRepository(memory, OPTIONS);
});

test('init leaves a repository that can be opened when its config cannot be removed', async () => {
  const memory = new MemoryStore();
  const failing = new LateFailure(memory);
  failing.removes = false;
  await assert.rejects(initRepository(failing, OPTIONS), isVarveError('storage'));
  await openRepository(memory, OPTIONS);
});

test('init changes nothing when there is a repository already', async () => {
  const memory = new MemoryStore();
  await initRepository(memory, OPTIONS);
  await assert.rejects(initRepository(memory, OPTIONS), isVarveError('repository-exists'));
  await openRepository(memory, OPTIONS);
  let keys = 0;
  for await (const _ of memory.list('keys')) keys++;
  assert.equal(keys, 1);
});
