import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode } from '../../src/bytes/msgpack.js';
import { type CryptoEngine, join } from '../../src/crypto/engine.js';
import { createRepositoryKeys, exportKeys, importKeys, type RepositoryKeys } from '../../src/crypto/hierarchy.js';
import { nativeEngine } from '../../src/crypto/native.js';
import { openObject, sealObject } from '../../src/crypto/sealed.js';
import { openSigned, signPayload } from '../../src/crypto/signed.js';
import {
  createSlot,
  openSlot,
  readCard,
  resealSlot,
  rewrapSlot,
  rotateKeys,
  slotIdIn,
  slotProtection,
} from '../../src/crypto/slot.js';
import { calibrateLogN, encodeSlot, parseSlot } from '../../src/crypto/slot-file.js';
import { sealSecrets } from '../../src/crypto/slot-secrets.js';
import { isVarveError } from '../errors/expect-error.js';
import { portableEngine } from './portable.js';
import { eachTampering, member, newRing } from './rings.js';

const ring = await newRing();
const members = [ring.append, ring.manage, ring.full];

/** The keys that open a slot at once: what scrypt gives for this ring's passwords costs 3 ms a call. */
function withoutScrypt(counter = { calls: 0 }): CryptoEngine {
  return {
    ...nativeEngine,
    scrypt: async (...args) => {
      counter.calls++;
      return nativeEngine.scrypt(...args);
    },
  };
}

/** Every secret of the ring, as text, to look for where it must not be. */
function secretsOf(keys: RepositoryKeys): Record<string, string> {
  const { master, metaPrivate, contentPrivate, rootSeed } = keys.epoch(1);
  const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes as Uint8Array).toString('hex');
  return { master: hex(master), meta: hex(metaPrivate), content: hex(contentPrivate), root: hex(rootSeed) };
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, x) => (x instanceof Uint8Array ? Buffer.from(x).toString('hex') : x));
}

test('a role has its own secrets and no others, also after a structured clone', () => {
  const secrets = secretsOf(ring.root);
  const held = { append: [], manage: ['meta'], full: ['master', 'meta', 'content', 'root'] };
  for (const { keys } of members) {
    const state = structuredClone(exportKeys(keys));
    const found = Object.keys(secrets).filter((name) => textOf(state).includes(secrets[name] as string));
    assert.deepEqual(found, held[keys.role], keys.role);
    for (const bytes of Object.values(state.epochs[0] as object))
      assert.ok(bytes === undefined || bytes.buffer.byteLength === bytes.length, 'no pool travels along');
    const copy = importKeys(state);
    assert.deepEqual(exportKeys(copy), exportKeys(keys));
    assert.deepEqual(copy.epoch(1).metaPublic, ring.root.metaPublic(1));
    assert.deepEqual(copy.id, ring.root.id);
    assert.deepEqual(copy.gear, ring.root.gear);
  }
  assert.notDeepEqual(ring.root.id, ring.root.gear);
});

test('an identity survives a structured clone and signs as before', () => {
  const identity = structuredClone(ring.append.identity);
  const bytes = signPayload(ring.append.keys, identity, 'lease', 1, Buffer.from('x'));
  assert.equal(openSigned(ring.full.keys, 'lease', 1, bytes, 'x').certificate.role, 'append');
});

test('only a full key certifies, makes slots and rotates', async () => {
  for (const { keys } of [ring.append, ring.manage]) {
    await assert.rejects(
      createSlot(keys, { role: 'append', unlock: { password: 'x' }, user: 'u', host: 'h', created: 1, logN: 10 }),
      isVarveError('role', /use a full key/),
    );
    assert.throws(() => rotateKeys(keys), isVarveError('role'));
    assert.throws(() => resealSlot(keys, ring.append.bytes, 'keys/ab'), isVarveError('role'));
    assert.throws(
      () => sealSecrets(keys, ring.append.identity.slot, new Uint8Array(32).fill(9), 'append'),
      isVarveError('role'),
    );
  }
  const snapshot = sealObject(ring.append.keys, 'snapshot', Buffer.from('x'));
  assert.throws(
    () => openObject(ring.append.keys, 'snapshot', snapshot, 'snapshots/ab'),
    isVarveError('role', /snapshots\/ab/),
  );
  assert.throws(
    () => ring.append.keys.requireRole('manage', 'list snapshots'),
    isVarveError('role', /this key may only append/),
  );
  ring.manage.keys.requireRole('manage', 'list snapshots');
});

test('openSlot reports a wrong password or key file, and opens with the right one on either engine', async () => {
  const keyFile = nativeEngine.randomBytes(32);
  const options = { role: 'manage', user: 'anna', host: 'home', created: 7 } as const;
  const { bytes } = await createSlot(ring.root, { ...options, unlock: { keyFile } });
  for (const engine of [nativeEngine, portableEngine])
    assert.equal((await openSlot(bytes, { keyFile }, 'keys/ab', engine)).keys.role, 'manage');
  assert.equal(slotProtection(bytes, 'keys/ab').kind, 'keyfile');
  await assert.rejects(
    openSlot(bytes, { keyFile: new Uint8Array(32) }, 'keys/ab'),
    isVarveError('wrong-password', /key file/),
  );
  await assert.rejects(openSlot(bytes, { keyFile: new Uint8Array(31) }, 'keys/ab'), isVarveError('usage'));
  await assert.rejects(
    openSlot(bytes, { password: 'x' }, 'keys/ab'),
    isVarveError('wrong-password', /opens with a key file/),
  );
  const { bytes: mine } = ring.full;
  await assert.rejects(
    openSlot(mine, { password: 'x' }, 'keys/cd'),
    isVarveError('wrong-password', /^keys\/cd: wrong password/),
  );
  await assert.rejects(openSlot(mine, { keyFile }, 'keys/cd'), isVarveError('wrong-password', /opens with a password/));
});

test('a password is the same however its accents are composed', async () => {
  const options = { role: 'full', user: 'u', host: 'h', created: 1, logN: 10 } as const;
  const { bytes } = await createSlot(ring.root, { ...options, unlock: { password: 'gr\u00fcn' } });
  assert.equal((await openSlot(bytes, { password: 'gru\u0308n' }, 'keys/ab')).keys.role, 'full');
});

test('a slot with any byte changed, cut off or added is refused with a VarveError', async () => {
  const cases: [Uint8Array, string][] = [];
  eachTampering(ring.append.bytes, (tampered, what) => cases.push([tampered, what]));
  const counter = { calls: 0 };
  for (const [tampered, what] of cases)
    await assert.rejects(
      openSlot(tampered, { password: ring.append.password }, 'keys/ab', withoutScrypt(counter)),
      (error: unknown) => {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        assert.ok(
          code === 'damaged' || code === 'wrong-password' || code === 'role' || code === 'newer',
          `${what}: ${String(error)}`,
        );
        return isVarveError(code, /^keys\/ab/)(error);
      },
      what,
    );
  assert.ok(counter.calls > 100);
});

test('scrypt parameters out of bounds are refused without running it', async () => {
  const file = parseSlot(ring.full.bytes, 'x');
  const tries = { calls: 0 };
  const engine = withoutScrypt(tries);
  const bad = [{ log2N: 9 }, { log2N: 21 }, { log2N: 63 }, { log2N: 255 }, { r: 1 }, { r: 16 }, { p: 0 }, { p: 5 }];
  for (const change of bad) {
    const protection = { kind: 'scrypt', log2N: 10, r: 8, p: 1, salt: new Uint8Array(32), ...change } as const;
    const bytes = encodeSlot({ ...file, protection });
    await assert.rejects(
      openSlot(bytes, { password: 'x' }, 'keys/ab', engine),
      isVarveError('damaged', /out of bounds/),
    );
    assert.throws(() => slotProtection(bytes, 'keys/ab'), isVarveError('damaged'));
  }
  assert.equal(tries.calls, 0);
});

test('calibration stays within 17 and 20', async () => {
  const timed = (ms: number): CryptoEngine => ({
    ...nativeEngine,
    scrypt: () => new Promise((resolve) => setTimeout(() => resolve(new Uint8Array(32)), ms)),
  });
  assert.equal(await calibrateLogN(timed(100)), 17);
  assert.equal(await calibrateLogN({ ...nativeEngine, scrypt: async () => new Uint8Array(32) }), 20);
});

test('a storage that swaps secrets, card or slot for those of another slot or repository is refused', async () => {
  const other = await newRing();
  const mine = parseSlot(ring.append.bytes, 'x');
  const unlock = { password: ring.append.password };
  const foreign = [
    parseSlot(other.append.bytes, 'x'),
    parseSlot(ring.full.bytes, 'x'),
    parseSlot(other.full.bytes, 'x'),
  ];
  for (const theirs of foreign)
    for (const change of [
      { secrets: theirs.secrets },
      { card: theirs.card },
      { slot: theirs.slot },
      { secrets: theirs.secrets, card: theirs.card },
      { wrapped: theirs.wrapped },
    ])
      await assert.rejects(openSlot(encodeSlot({ ...mine, ...change }), unlock, 'keys/ab'), (error: unknown) => {
        const wrapping = 'slot' in change || 'wrapped' in change;
        return isVarveError(wrapping ? 'wrong-password' : 'damaged')(error);
      });
});

test('openSlot refuses secrets that the storage forged and sealed to the slot’s public key', async () => {
  const { slot, certificate } = ring.append.identity;
  const evil = createRepositoryKeys().withConfig(new Uint8Array(32));
  const file = parseSlot(ring.append.bytes, 'x');
  const open = (bytes: Uint8Array) => openSlot(bytes, { password: ring.append.password }, 'keys/ab');
  const secrets = sealSecrets(evil, slot, certificate.boxPublic, 'append');
  await assert.rejects(open(encodeSlot({ ...file, secrets })), isVarveError('damaged', /not those of this repository/));

  const later = sealSecrets(rotateKeys(evil), slot, certificate.boxPublic, 'append');
  await assert.rejects(
    open(encodeSlot({ ...file, secrets: later })),
    isVarveError('damaged', /not those of this repository/),
  );

  // An append key knows the public keys of epoch 1, so it can name them and continue with an epoch of its own.
  const state = exportKeys(ring.root);
  const own = exportKeys(rotateKeys(evil));
  const forgedChain = importKeys({
    ...state,
    epochs: [...state.epochs, ...own.epochs.slice(1)],
    chain: own.chain,
  });
  const continued = sealSecrets(forgedChain, slot, certificate.boxPublic, 'append');
  await assert.rejects(
    open(encodeSlot({ ...file, secrets: continued })),
    isVarveError('damaged', /signed by the one before/),
  );

  // The right public keys throughout, but signed by another root key than the newest.
  const signer: CryptoEngine = {
    ...nativeEngine,
    ed25519Sign: (_, message) => nativeEngine.ed25519Sign(evil.rootSeed(1) as Uint8Array, message),
  };
  const unsigned = sealSecrets(importKeys(state, signer), slot, certificate.boxPublic, 'append');
  await assert.rejects(
    open(encodeSlot({ ...file, secrets: unsigned })),
    isVarveError('damaged', /not signed by this repository/),
  );

  const promoted = sealSecrets(ring.root, slot, certificate.boxPublic, 'full');
  await assert.rejects(open(encodeSlot({ ...file, secrets: promoted })), isVarveError('damaged', /another role/));
});

test('the length of a slot does not reveal its role in any epoch', () => {
  let keys = ring.root;
  let objects = members.map(({ bytes }) => bytes);
  for (let e = 1; e <= 12; e++) {
    const lengths = objects.map((bytes) => parseSlot(bytes, 'x').secrets.length);
    assert.equal(new Set(lengths).size, 1, `epoch ${e}: ${lengths}`);
    keys = rotateKeys(keys);
    objects = objects.map((bytes) => resealSlot(keys, bytes, 'x'));
  }
});

test('rotation needs no other password; old epochs stay readable; a slot left out cannot read the new one', async () => {
  const before = sealObject(ring.append.keys, 'snapshot', Buffer.from('old'));
  const rotated = rotateKeys(ring.full.keys);
  assert.equal(rotated.newestEpoch, 2);
  assert.deepEqual(rotated.id, ring.root.id);
  assert.notDeepEqual(rotated.index(2), rotated.index(1));
  const bytes = resealSlot(rotated, ring.manage.bytes, 'keys/ab');
  const manage = await openSlot(bytes, { password: ring.manage.password }, 'keys/ab');
  assert.equal(manage.keys.newestEpoch, 2);
  assert.deepEqual(manage.keys.auth(2), rotated.auth(2));
  assert.equal(manage.keys.rootSeed(2), undefined);
  const after = sealObject(manage.keys, 'snapshot', Buffer.from('new'));
  assert.equal(openObject(manage.keys, 'snapshot', before, 'x').epoch, 1);
  assert.equal(openObject(manage.keys, 'snapshot', after, 'x').epoch, 2);
  assert.throws(() => openObject(ring.full.keys, 'snapshot', after, 'x'), isVarveError('role', /epoch 2/));
  assert.throws(() => readCard(ring.append.keys, bytes, 'keys/ab'), isVarveError('role', /epoch 2/));
  const signed = signPayload(ring.append.keys, ring.append.identity, 'index', 1, Buffer.from('x'));
  assert.equal(openSigned(manage.keys, 'index', 1, signed, 'x').certificate.epoch, 1);
});

test('three rotations: the chain leads from the first anchor to the newest epoch, and a cut chain is refused', async () => {
  let keys = ring.root;
  let { bytes } = ring.append;
  const all = [bytes];
  for (let i = 0; i < 3; i++) {
    keys = rotateKeys(keys);
    bytes = resealSlot(keys, bytes, 'x');
    all.push(bytes);
  }
  const opened = await openSlot(bytes, { password: ring.append.password }, 'keys/ab');
  assert.equal(opened.keys.newestEpoch, 4);
  assert.deepEqual(
    opened.keys.chain.map((link) => link.epoch),
    [2, 3, 4],
  );
  // Secrets of one rotation with the card of another.
  const mixed = { ...parseSlot(bytes, 'x'), secrets: parseSlot(all[2] as Uint8Array, 'x').secrets };
  await assert.rejects(
    openSlot(encodeSlot(mixed), { password: ring.append.password }, 'keys/ab'),
    isVarveError('role'),
  );
  const older = { ...parseSlot(bytes, 'x'), card: parseSlot(all[2] as Uint8Array, 'x').card };
  await assert.rejects(
    openSlot(encodeSlot(older), { password: ring.append.password }, 'keys/ab'),
    isVarveError('damaged', /different epochs/),
  );
});

test('a new password leaves slot and secrets as they are and anchors at the newest epoch', async () => {
  const rotated = rotateKeys(ring.root);
  const old = resealSlot(rotated, ring.append.bytes, 'x');
  const opened = await openSlot(old, { password: ring.append.password }, 'keys/ab');
  const bytes = await rewrapSlot(opened, old, { password: 'new' }, 'keys/ab', { logN: 10 });
  await assert.rejects(openSlot(bytes, { password: ring.append.password }, 'keys/ab'), isVarveError('wrong-password'));
  const again = await openSlot(bytes, { password: 'new' }, 'keys/ab');
  assert.deepEqual(again.identity.slot, ring.append.identity.slot);
  assert.deepEqual(parseSlot(bytes, 'x').secrets, parseSlot(old, 'x').secrets);
  const [before, after] = [parseSlot(ring.append.bytes, 'x'), parseSlot(bytes, 'x')];
  const rolledBack = encodeSlot({ ...after, secrets: before.secrets, card: before.card });
  await assert.rejects(openSlot(rolledBack, { password: 'new' }, 'keys/ab'), isVarveError('damaged', /rolled back/));
  await assert.rejects(
    rewrapSlot(again, ring.append.bytes, { password: 'x' }, 'keys/ab', { logN: 10 }),
    isVarveError('damaged', /older/),
  );
  await assert.rejects(
    rewrapSlot(again, ring.full.bytes, { password: 'x' }, 'keys/ab', { logN: 10 }),
    isVarveError('internal'),
  );
});

test('rotation gives nothing to a slot that was revoked or left out, though the storage brings it back', () => {
  const revoked = rotateKeys(ring.root.withRevoked(ring.append.identity.slot, 5));
  assert.throws(() => resealSlot(revoked, ring.append.bytes, 'keys/ab'), isVarveError('role', /revoked/));
  assert.ok(resealSlot(revoked, ring.manage.bytes, 'keys/ab'));
  const twice = rotateKeys(rotateKeys(ring.root));
  assert.throws(
    () => resealSlot(twice, ring.append.bytes, 'keys/ab'),
    isVarveError('role', /left out of the last rotation/),
  );
});

test('revocations reach every slot that is sealed again', async () => {
  const keys = ring.root.withRevoked(ring.append.identity.slot, 5).withRevoked(ring.append.identity.slot, 3);
  const bytes = resealSlot(keys, ring.manage.bytes, 'x');
  const opened = await openSlot(bytes, { password: ring.manage.password }, 'x');
  assert.deepEqual(opened.keys.revoked, [{ slot: ring.append.identity.slot, since: 3 }]);
});

test('every role reads the cards of all slots', () => {
  for (const { keys } of members)
    for (const { bytes, identity } of members) {
      const card = readCard(keys, bytes, 'keys/ab');
      assert.deepEqual(card.slot, identity.slot);
      assert.deepEqual(card.slot, slotIdIn(bytes, 'keys/ab'));
      assert.equal(card.role, identity.certificate.role);
      assert.equal(card.host, 'example');
      assert.equal(card.created, 1_700_000_000);
      assert.equal(card.epoch, 1);
    }
});

test('an append key cannot raise its own role by rewriting its card', async () => {
  const { identity, keys, bytes } = ring.append;
  const [payload] = identity.certificateBytes;
  const fields = decode(payload, 'x') as unknown[];
  const risen = encode(fields.with(1, 3));
  const signature = nativeEngine.ed25519Sign(
    identity.signSeed,
    join(Buffer.from('varve/1/certificate\0'), keys.repository, risen),
  );
  const card = sealObject(keys, 'card', encode([[risen, signature], 'u', 'h', 1]));
  const forged = encodeSlot({ ...parseSlot(bytes, 'x'), card });
  assert.throws(
    () => readCard(ring.full.keys, forged, 'keys/ab'),
    isVarveError('damaged', /not signed by this repository/),
  );
  assert.throws(() => resealSlot(ring.root, forged, 'keys/ab'), isVarveError('damaged'));
});

test('a slot made after a rotation opens, and holds all epochs', async () => {
  const late = await member(rotateKeys(ring.root), 'full');
  assert.equal(late.keys.newestEpoch, 2);
  assert.equal(late.identity.certificate.epoch, 2);
  assert.equal(openObject(late.keys, 'index', sealObject(ring.append.keys, 'index', Buffer.from('x')), 'x').epoch, 1);
});
