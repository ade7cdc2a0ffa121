import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { CacheDirectory } from '../../src/storage/cached/cache-directory.js';
import { CachedStore } from '../../src/storage/cached/cached-store.js';
import { openGuarded } from '../../src/storage/guards/guard.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { conformance, type Subject } from './conformance.js';
import { planting } from './plant.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-stores-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let number = 0;

async function local(): Promise<Subject & { readonly store: LocalStore }> {
  const path = join(scratch, `repository-${number++}`);
  const store = new LocalStore(path);
  await store.create();
  return { store, other: new LocalStore(path), plant: planting(path) };
}

conformance('memory', async () => {
  const store = new MemoryStore();
  return { store, other: store, plant: (type, name, bytes) => store.put(type, name, [bytes]) };
});

conformance('local', local);

conformance('cached', async () => {
  const { store, other, plant } = await local();
  return {
    store: new CachedStore(store, CacheDirectory.open(join(scratch, `cache-${number}`)) as CacheDirectory),
    other,
    ...(plant && { plant }),
  };
});

conformance('cached, in a place where nothing can be cached', async () => {
  const { store, other } = await local();
  return { store: new CachedStore(store, CacheDirectory.open('/proc/none/cache') as CacheDirectory), other };
});

conformance('guarded', async () => {
  const { store, other, plant } = await local();
  const settings = {
    environment: {},
    extended: new Map(),
    idleTimeoutSeconds: 300,
    retrySeconds: 0,
    onDebug: () => undefined,
  };
  return { store: await openGuarded('local:', async () => store, settings), other, ...(plant && { plant }) };
});
