import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { encode } from '../../src/bytes/msgpack.js';
import { WRAPPED_KEY_BYTES } from '../../src/bytes/pack-constants.js';
import { blobId } from '../../src/crypto/blob-id.js';
import { FOOTER_LENGTH, type Footer, openFooter, sealFooter } from '../../src/crypto/footer.js';
import { exportKeys, importKeys } from '../../src/crypto/hierarchy.js';
import { nativeEngine } from '../../src/crypto/native.js';
import { newPackKey, openFrame, sealFrameInto, unwrapPackKey } from '../../src/crypto/pack-key.js';
import { openObject, SEALED_OVERHEAD, type SealedKind, sealObject } from '../../src/crypto/sealed.js';
import { isRevoked, openSigned, type SignedKind, signPayload } from '../../src/crypto/signed.js';
import { resealSlot, rotateKeys } from '../../src/crypto/slot.js';
import { isVarveError } from '../errors/expect-error.js';
import { portableEngine } from './portable.js';
import { eachTampering, newRing } from './rings.js';

const KINDS: readonly SealedKind[] = ['config', 'card', 'index', 'snapshot', 'lease', 'directory'];
const SIGNED: readonly SignedKind[] = ['index', 'snapshot', 'lease'];
const plaintext = Buffer.from('what an object says');
const ring = await newRing();

test('every kind of sealed object opens as itself and as nothing else, on either engine', () => {
  const portable = importKeys(exportKeys(ring.full.keys), portableEngine);
  for (const kind of KINDS) {
    const bytes = sealObject(ring.append.keys, kind, plaintext);
    assert.equal(bytes.length, plaintext.length + SEALED_OVERHEAD);
    for (const keys of [ring.manage.keys, ring.full.keys, portable]) {
      const opened = openObject(keys, kind, bytes, 'x');
      assert.deepEqual(
        { ...opened, plaintext: Buffer.from(opened.plaintext) },
        { epoch: 1, compressed: false, plaintext },
      );
    }
    for (const other of KINDS)
      if (other !== kind) assert.throws(() => openObject(ring.full.keys, other, bytes, 'x'), isVarveError('damaged'));
    assert.notDeepEqual(sealObject(ring.append.keys, kind, plaintext), bytes);
  }
});

test('the compressed flag is authenticated, and not for configs, cards and directories', () => {
  for (const kind of ['index', 'snapshot', 'lease'] as const) {
    const bytes = sealObject(ring.append.keys, kind, plaintext, { compressed: true });
    assert.equal(openObject(ring.full.keys, kind, bytes, 'x').compressed, true);
  }
  for (const kind of ['config', 'card', 'directory'] as const) {
    const bytes = sealObject(ring.append.keys, kind, plaintext, { compressed: true });
    assert.throws(
      () => openObject(ring.full.keys, kind, bytes, 'x'),
      isVarveError('damaged', /must not be compressed/),
    );
  }
});

test('a sealed object with any byte changed, cut off or added is refused, and named', () => {
  for (const kind of ['index', 'snapshot'] as const) {
    const bytes = sealObject(ring.append.keys, kind, plaintext);
    eachTampering(bytes, (tampered, what) =>
      assert.throws(
        () => openObject(ring.full.keys, kind, tampered, `${kind}/ab12`),
        (error: unknown) => {
          const epochChanged = /byte (8|9|10|11) /.test(what);
          const versionChanged = /byte 4 changed/.test(what);
          return isVarveError(
            versionChanged ? 'newer' : epochChanged && !what.includes('byte 8 ') ? 'role' : 'damaged',
            new RegExp(`^${kind}/ab12`),
          )(error);
        },
        what,
      ),
    );
  }
  assert.throws(
    () => openObject(ring.full.keys, 'index', sealObject(ring.root, 'index', plaintext).fill(0, 50), 'index/ab12'),
    /index\/ab12: damaged or forged: authentication failed; run `varve check`/,
  );
});

test('objects of another repository are refused', async () => {
  const other = await newRing();
  for (const kind of KINDS)
    assert.throws(
      () => openObject(ring.full.keys, kind, sealObject(other.append.keys, kind, plaintext), 'x'),
      isVarveError('damaged'),
    );
  for (const kind of SIGNED) {
    const foreign = signPayload(other.append.keys, other.append.identity, kind, 1, plaintext);
    assert.throws(
      () => openSigned(ring.full.keys, kind, 1, foreign, 'x'),
      isVarveError('damaged', /not signed by this/),
    );
  }
  const pack = newPackKey(other.append.keys, 1);
  assert.throws(() => unwrapPackKey(ring.full.keys, 1, pack.wrapped), isVarveError('damaged'));
});

test('a signature holds for one kind, epoch, payload and signer', () => {
  const { keys, identity } = ring.append;
  for (const kind of SIGNED) {
    const bytes = signPayload(keys, identity, kind, 1, plaintext);
    const opened = openSigned(ring.manage.keys, kind, 1, bytes, 'x');
    assert.deepEqual(Buffer.from(opened.payload), plaintext);
    assert.equal(opened.certificate.role, 'append');
    assert.equal(opened.certificate.label, 'append@example');
    for (const other of SIGNED)
      if (other !== kind)
        assert.throws(
          () => openSigned(keys, other, 1, bytes, 'x'),
          isVarveError('damaged', /signature is not that of/),
        );
    assert.throws(() => openSigned(keys, kind, 2, bytes, 'x'), isVarveError('damaged', /signature is not that of/));
  }
  const borrowed = { ...identity, certificateBytes: ring.full.identity.certificateBytes };
  const claimed = signPayload(keys, borrowed, 'index', 1, plaintext);
  assert.throws(() => openSigned(keys, 'index', 1, claimed, 'x'), isVarveError('damaged', /not that of full@example/));
});

test('a signed plaintext with any byte changed is refused', () => {
  const bytes = signPayload(ring.append.keys, ring.append.identity, 'snapshot', 1, plaintext);
  eachTampering(bytes, (tampered, what) =>
    assert.throws(() => openSigned(ring.full.keys, 'snapshot', 1, tampered, 'x'), isVarveError('damaged'), what),
  );
});

test('a certificate that no root key signed is refused, whatever it says', () => {
  const { keys, identity } = ring.append;
  const [payload, signature] = identity.certificateBytes;
  const forged = new Uint8Array(payload);
  assert.equal(forged[19], 1, 'the role follows the array head and the slot');
  forged[19] = 3;
  const manager = { ...identity, certificateBytes: [forged, signature] as const };
  const bytes = signPayload(keys, manager, 'index', 1, plaintext);
  assert.throws(() => openSigned(ring.full.keys, 'index', 1, bytes, 'x'), isVarveError('damaged'));
  const own = keys.engine.ed25519Sign(identity.signSeed, forged);
  const self = signPayload(keys, { ...identity, certificateBytes: [forged, own] }, 'index', 1, plaintext);
  assert.throws(() => openSigned(ring.full.keys, 'index', 1, self, 'x'), isVarveError('damaged', /not signed by this/));
});

test('a slot is revoked from the time on, and no other is', () => {
  const { slot } = ring.append.identity;
  const revoking = ring.root.withRevoked(slot, 1000);
  assert.ok(!isRevoked(revoking, slot, 999));
  for (const time of [1000, 2000]) assert.ok(isRevoked(revoking, slot, time));
  assert.ok(!isRevoked(ring.root, slot, 2000));
  assert.ok(!isRevoked(revoking, ring.full.identity.slot, 2000));
});

test('pack keys open only for the roles that may', () => {
  for (const writer of [ring.append, ring.manage, ring.full]) {
    const data = newPackKey(writer.keys, 1);
    const tree = newPackKey(writer.keys, 2);
    assert.equal(data.wrapped.length, WRAPPED_KEY_BYTES);
    assert.deepEqual(Buffer.from(unwrapPackKey(ring.full.keys, 1, data.wrapped)), Buffer.from(data.key));
    assert.deepEqual(Buffer.from(unwrapPackKey(ring.full.keys, 2, tree.wrapped)), Buffer.from(tree.key));
    assert.deepEqual(Buffer.from(unwrapPackKey(ring.manage.keys, 2, tree.wrapped)), Buffer.from(tree.key));
    assert.throws(() => unwrapPackKey(ring.manage.keys, 1, data.wrapped), isVarveError('role', /use a full key/));
    assert.throws(() => unwrapPackKey(ring.append.keys, 1, data.wrapped), isVarveError('role', /may only append/));
    assert.throws(() => unwrapPackKey(ring.append.keys, 2, tree.wrapped), isVarveError('role', /may only append/));
    assert.throws(() => unwrapPackKey(ring.full.keys, 2, data.wrapped), isVarveError('damaged'));
    assert.throws(() => unwrapPackKey(ring.full.keys, 1, tree.wrapped), isVarveError('damaged'));
  }
});

test('a wrapped pack key with any byte changed is refused', () => {
  const { wrapped } = newPackKey(ring.append.keys, 1);
  eachTampering(wrapped, (tampered, what) =>
    assert.throws(
      () => unwrapPackKey(ring.full.keys, 1, tampered, 'data/ab'),
      (error: unknown) => isVarveError(/byte [123] /.test(what) ? 'role' : 'damaged', /^data\/ab/)(error),
      what,
    ),
  );
});

test('openFrame decrypts in place, or into another buffer and leaves the frame unchanged', () => {
  for (const length of [100, 50_000]) {
    const body = randomBytes(length);
    for (const engine of [nativeEngine, portableEngine]) {
      const key = engine.randomBytes(32);
      const stored = new Uint8Array(length + 16);
      sealFrameInto(stored, 0, key, 5, 1, 1000, body, engine);
      const before = Buffer.from(stored);
      const into = new Uint8Array(stored.length);
      assert.deepEqual(Buffer.from(openFrame(key, 5, 1, 1000, stored, 'data/ab', into, engine)), body);
      assert.deepEqual(Buffer.from(stored), before);
      assert.deepEqual(Buffer.from(openFrame(key, 5, 1, 1000, stored, 'data/ab', undefined, engine)), body);
    }
  }
});

test('frames are bound to key, counter, codec and raw length', () => {
  for (const engine of [nativeEngine, portableEngine]) {
    const key = engine.randomBytes(32);
    const out = new Uint8Array(200);
    const length = sealFrameInto(out, 7, key, 5, 1, 1000, plaintext, engine);
    const stored = out.subarray(7, 7 + length);
    assert.equal(length, plaintext.length + 16);
    assert.ok(out.subarray(7 + length).every((byte) => byte === 0));
    for (const reader of [nativeEngine, portableEngine])
      assert.deepEqual(Buffer.from(openFrame(key, 5, 1, 1000, stored, 'data/ab', undefined, reader)), plaintext);
    const wrong = isVarveError('damaged', /^data\/ab: damaged or forged: authentication of frame/);
    assert.throws(() => openFrame(engine.randomBytes(32), 5, 1, 1000, stored, 'data/ab', undefined, engine), wrong);
    assert.throws(() => openFrame(key, 6, 1, 1000, stored, 'data/ab', undefined, engine), wrong);
    assert.throws(() => openFrame(key, 5, 0, 1000, stored, 'data/ab', undefined, engine), wrong);
    assert.throws(() => openFrame(key, 5, 1, 1001, stored, 'data/ab', undefined, engine), wrong);
    eachTampering(stored, (tampered, what) =>
      assert.throws(() => openFrame(key, 5, 1, 1000, tampered, 'data/ab', undefined, engine), wrong, what),
    );
    assert.throws(() => sealFrameInto(out, 190, key, 6, 1, 1000, plaintext, engine), isVarveError('internal'));
  }
});

test('footers return as they were; changed or absurd ones are refused', () => {
  const footer: Footer = {
    kind: 2,
    directoryOffset: 2 ** 29,
    directoryLength: 12_345,
    parityOffset: 0,
    parityLength: 0,
  };
  const bytes = sealFooter(ring.append.keys, footer);
  assert.equal(bytes.length, FOOTER_LENGTH);
  assert.deepEqual(openFooter(ring.append.keys, bytes, 'data/ab'), { epoch: 1, ...footer });
  eachTampering(bytes, (tampered, what) =>
    assert.throws(
      () => openFooter(ring.full.keys, tampered, 'data/ab'),
      (error: unknown) => isVarveError(/byte (9|10|11) /.test(what) ? 'role' : 'damaged')(error),
      what,
    ),
  );
  for (const bad of [
    { directoryOffset: 2 ** 30 },
    { parityLength: 2 ** 40 },
    { directoryLength: 2 ** 28 },
    { kind: 3 as 2 },
  ])
    assert.throws(
      () => openFooter(ring.full.keys, sealFooter(ring.append.keys, { ...footer, ...bad }), 'data/ab'),
      isVarveError('damaged'),
    );
});

test('blob ids depend on the repository, the kind and every byte', () => {
  const { id } = ring.append.keys;
  const one = blobId(id, 1, plaintext);
  assert.equal(one.length, 32);
  assert.deepEqual(one, Buffer.from(portableEngine.hmacSha256(id, Uint8Array.of(1), plaintext)));
  assert.deepEqual(one, blobId(ring.full.keys.id, 1, plaintext));
  assert.notDeepEqual(one, blobId(id, 2, plaintext));
  assert.notDeepEqual(one, blobId(ring.root.gear, 1, plaintext));
});

test('an index entry of 1,000 snapshots costs one verification of the certificate', () => {
  let verifications = 0;
  const counting = {
    ...nativeEngine,
    ed25519Verify: (...args: Parameters<typeof nativeEngine.ed25519Verify>) => {
      verifications++;
      return nativeEngine.ed25519Verify(...args);
    },
  };
  const keys = importKeys(exportKeys(ring.full.keys), counting);
  for (let i = 0; i < 10; i++) {
    const bytes = signPayload(ring.append.keys, ring.append.identity, 'snapshot', 1, encode([i]));
    openSigned(keys, 'snapshot', 1, bytes, 'x');
  }
  assert.equal(verifications, 11);
});

test('epochs stand apart, and an old one stays readable', () => {
  const rotated = rotateKeys(ring.root);
  const old = sealObject(ring.append.keys, 'index', plaintext);
  assert.equal(openObject(rotated, 'index', old, 'x').epoch, 1);
  const young = sealObject(rotated, 'index', plaintext);
  assert.equal(openObject(rotated, 'index', young, 'x').epoch, 2);
  assert.throws(() => openObject(ring.append.keys, 'index', young, 'x'), isVarveError('role', /epoch 2/));
  young[8] = 1;
  assert.throws(() => openObject(rotated, 'index', young, 'x'), isVarveError('damaged'));
  assert.ok(resealSlot(rotated, ring.append.bytes, 'x').length > 0);
});
