import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { empty } from '../../src/storage/conformance/run.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import type { Store } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';
import { SSHD_MISSING, startSshd } from '../servers/sshd.js';
import { object } from './conformance.js';
import { openOn } from './sftp/places.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-discard-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** What `create` made goes, and nothing that anybody else has put there. */
async function discards(store: Store, path: string): Promise<void> {
  assert.ok(store.discard !== undefined);
  const { name, bytes } = object(10);
  await store.create();
  await store.put('data', name, [bytes]);
  await assert.rejects(store.discard(), isVarveError('storage'));
  assert.deepEqual(await store.get('data', name), bytes);
  await empty(store);
  await store.create();
  await store.discard();
  assert.ok(!existsSync(path));
  await store.create();
  mkdirSync(join(path, 'data'), { recursive: true });
  writeFileSync(join(path, 'letter'), 'mine');
  await assert.rejects(store.discard(), isVarveError('storage'));
  assert.ok(existsSync(join(path, 'letter')));
}

test('discard removes the directory of a local store', async () => {
  const path = join(scratch, 'repository');
  await discards(new LocalStore(path), path);
});

test('discard removes the directory on an SFTP server', { skip: SSHD_MISSING }, async () => {
  const sshd = await startSshd();
  try {
    const path = join(sshd.directory, 'repository');
    const store = await openOn(sshd, path);
    await discards(store, path);
    await store.close();
  } finally {
    await sshd.stop();
  }
});
