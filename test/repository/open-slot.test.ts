import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../src/bytes/hex.js';
import { encodeSlot, MAX_LOG2N, WRAPPED_LENGTH } from '../../src/crypto/slot-file.js';
import { listKeySlots, rotateKeySlots } from '../../src/repository/keys/key-slots.js';
import { type Candidate, planAttempts } from '../../src/repository/keys/open-slot.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { objectName } from '../../src/repository/repository.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { ObjectInfo, ObjectType } from '../../src/storage/store.js';
import { isVarveError } from '../errors/expect-error.js';
import { scratchDirectory } from '../filesystem/scratch.js';
import { ForwardingStore } from '../storage/forwarding-store.js';

const scratch = scratchDirectory();

const PASSWORD = { unlock: { password: 'pebble' } };

async function repository(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await initRepository(store, { ...PASSWORD, user: 'anna', host: 'desk', logN: 10 });
  return store;
}

/** A slot that no password opens, and that takes as long to try as the format permits. */
async function putCostlySlot(store: MemoryStore, log2N = MAX_LOG2N, p = 4): Promise<void> {
  const bytes = encodeSlot({
    slot: new Uint8Array(randomBytes(16)),
    protection: { kind: 'scrypt', log2N, r: 8, p, salt: new Uint8Array(randomBytes(32)) },
    wrapped: new Uint8Array(WRAPPED_LENGTH),
    secrets: new Uint8Array(1),
    card: new Uint8Array(1),
  });
  await store.put('keys', objectName(bytes), [bytes]);
}

/** A process with little memory does not really try the costly slots. */
async function withMemory(bytes: number, action: () => Promise<void>): Promise<void> {
  const { constrainedMemory } = process;
  process.constrainedMemory = () => bytes;
  try {
    await action();
  } finally {
    process.constrainedMemory = constrainedMemory;
  }
}

const candidate = (slot: string, time: number, epoch = 1): Candidate => ({
  name: `${slot}-${epoch}`,
  bytes: new Uint8Array(),
  slot,
  epoch,
  cost: { time, memory: 0 },
});

test('openRepository tries cheap key slots first when the store is full of costly ones', async () => {
  const store = await repository();
  for (let i = 0; i < 50; i++) await putCostlySlot(store);
  const notices: string[] = [];
  await openRepository(store, { ...PASSWORD, onNotice: (text) => notices.push(text) });
  assert.deepEqual(notices, []);
});

test('openRepository gives notice before it tries costly key slots', async () => {
  const store = await repository();
  for (let i = 0; i < 3; i++) await putCostlySlot(store);
  const notices: string[] = [];
  const options = { unlock: { password: 'wrong' }, onNotice: (text: string) => notices.push(text) };
  await withMemory(2 ** 28, () => assert.rejects(openRepository(store, options), isVarveError('usage')));
  assert.deepEqual(notices, ['trying the password on 3 keys takes up to some 29 s']);
});

test('planAttempts omits costly slots when all would take too long, but neither the preferred nor the cheap ones', () => {
  const costly = Array.from({ length: 10 }, (_, i) => candidate(`costly${i}`, 32));
  const cheap = Array.from({ length: 5 }, (_, i) => candidate(`cheap${i}`, 1));
  const preferred = candidate('preferred', 32);
  const { attempts, omitted } = planAttempts([...costly, ...cheap, preferred], 'preferred');
  assert.deepEqual(
    attempts.slice(0, 6).map(({ slot }) => slot),
    ['preferred', 'cheap0', 'cheap1', 'cheap2', 'cheap3', 'cheap4'],
  );
  assert.ok(attempts.reduce((sum, { cost }) => sum + cost.time, 0) <= 128);
  assert.equal(attempts.length + omitted, 16);
});

test('planAttempts tries the newest epoch of a slot first when it costs more', () => {
  const { attempts } = planAttempts([candidate('a', 2, 1), candidate('b', 3, 1), candidate('a', 4, 2)], undefined);
  assert.deepEqual(
    attempts.map(({ name }) => name),
    ['a-2', 'a-1', 'b-1'],
  );
});

test('openRepository names the hint when trying all key slots would take too long', async () => {
  const store = await repository();
  const { slot } = (await openRepository(store, PASSWORD)).identity;
  for (let i = 0; i < 5; i++) await putCostlySlot(store);
  await withMemory(2 ** 28, async () => {
    await assert.rejects(
      openRepository(store, { unlock: { password: 'wrong' } }),
      isVarveError('usage', /--key-hint ID/),
    );
    await openRepository(store, { ...PASSWORD, keyHint: toHex(slot).slice(0, 6) });
  });
});

test('openRepository states the memory that a key takes when the container has less', async () => {
  const store = await repository();
  await putCostlySlot(store);
  await withMemory(2 ** 29, () =>
    assert.rejects(
      openRepository(store, { unlock: { password: 'wrong' } }),
      isVarveError('usage', /^keys\/\w+: opening this key takes 1024 MiB of memory; this process may have 512 MiB/),
    ),
  );
});

/** A store whose first listing of keys is empty, as when the only key was replaced during the listing. */
class MissingFirst extends ForwardingStore {
  #listings = 0;

  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    if (type !== 'keys' || this.#listings++ > 0) yield* this.inner.list(type);
  }
}

test('openRepository lists keys again when a listing has none', async () => {
  const store = await repository();
  await openRepository(new MissingFirst(store), PASSWORD);
});

test('openRepository reports that there are no keys when no listing has any', async () => {
  const store = await repository();
  for await (const { name } of store.list('keys')) await store.remove('keys', name);
  await assert.rejects(openRepository(store, PASSWORD), { code: 'damaged', message: /no key slots: keys\/ is empty/ });
});

test('rotateKeySlots gives new secrets to a key that the first listing misses', async () => {
  const store = await repository();
  const opened = await openRepository(store, PASSWORD);
  const { slots } = await rotateKeySlots({ ...opened, store: new MissingFirst(store) });
  assert.equal(slots.length, 1);
});

test('listKeySlots reads keys that were rotated since the repository was opened', async () => {
  const store = await repository();
  const before = await openRepository(store, PASSWORD);
  await rotateKeySlots(await openRepository(store, PASSWORD));
  const { slots, failures } = await listKeySlots(before);
  assert.deepEqual([slots.length, failures.length, slots[0]?.epoch], [1, 0, 2]);
});

/** A store whose keys another process rotates after each time that they are read. */
class RotatedAfterReading extends ForwardingStore {
  readonly #rotate: () => Promise<void>;

  constructor(inner: MemoryStore, rotate: () => Promise<void>) {
    super(inner);
    this.#rotate = rotate;
  }

  override async get(type: ObjectType, name: string): Promise<Buffer> {
    const bytes = await this.inner.get(type, name);
    if (type === 'keys') await this.#rotate();
    return bytes;
  }
}

test('openRepository opens keys that another process rotates each time after they were listed', async () => {
  const store = await repository();
  const options = { ...PASSWORD, cacheDirectory: join(scratch, 'rotating') };
  let rotations = 0;
  const rotate = async (): Promise<void> => {
    if (rotations++ < 20) await rotateKeySlots(await openRepository(store, options));
  };
  await openRepository(new RotatedAfterReading(store, rotate), options);
});

test('openRepository refuses keys of an epoch before the one that this machine has seen', async () => {
  const store = await repository();
  const options = { ...PASSWORD, cacheDirectory: join(scratch, 'old keys') };
  const old: { name: string; bytes: Buffer }[] = [];
  for await (const { name } of store.list('keys')) old.push({ name, bytes: await store.get('keys', name) });
  await rotateKeySlots(await openRepository(store, options));
  for await (const { name } of store.list('keys')) await store.remove('keys', name);
  for (const { name, bytes } of old) await store.put('keys', name, [bytes]);
  await assert.rejects(openRepository(store, options), isVarveError('damaged', /someone has put back old keys/));
});
