import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certify, verifyCertificate } from '../../src/crypto/certificate.js';
import { join, openOnce, sealOnce } from '../../src/crypto/engine.js';
import { exportKeys, importKeys } from '../../src/crypto/hierarchy.js';
import { nativeEngine } from '../../src/crypto/native.js';
import { openSlot, readCard, resealSlot } from '../../src/crypto/slot.js';
import { encodeSlot, parseSlot, wrappingKey } from '../../src/crypto/slot-file.js';
import { sealSecrets } from '../../src/crypto/slot-secrets.js';
import { isVarveError } from '../errors/expect-error.js';
import { member, newRing } from './rings.js';

/** What even the root key's holder, or someone who knows the password, cannot make fit. */
const ring = await newRing();

test('the card of another key of the same role does not fit', async () => {
  const other = await member(ring.root, 'append');
  const swapped = encodeSlot({ ...parseSlot(ring.append.bytes, 'x'), card: parseSlot(other.bytes, 'x').card });
  const unlock = { password: ring.append.password };
  await assert.rejects(openSlot(swapped, unlock, 'keys/ab'), isVarveError('damaged', /card is that of another key/));
  assert.throws(
    () => readCard(ring.full.keys, swapped, 'keys/ab'),
    isVarveError('damaged', /card is that of another key/),
  );
  assert.throws(
    () => resealSlot(ring.root, swapped, 'keys/ab'),
    isVarveError('damaged', /card is that of another key/),
  );
});

test('a slot id that does not follow from the private keys is refused', async () => {
  const file = parseSlot(ring.append.bytes, 'x');
  const unlock = { password: ring.append.password };
  const key = await wrappingKey(nativeEngine, file.protection, unlock, 'x');
  const label = new TextEncoder().encode('varve/1/slot');
  const plaintext = openOnce(nativeEngine, key, join(label, file.slot), file.wrapped) as Uint8Array;
  const { slot } = ring.full.identity;
  const wrapped = sealOnce(nativeEngine, key, join(label, slot), plaintext);
  await assert.rejects(
    openSlot(encodeSlot({ ...file, slot, wrapped }), unlock, 'keys/ab'),
    isVarveError('damaged', /its id is/),
  );
});

test('openSlot refuses a certificate when its slot id does not follow from its keys', () => {
  const { certificate } = ring.append.identity;
  const claimed = certify(ring.root, { ...certificate, slot: ring.full.identity.slot });
  assert.throws(() => verifyCertificate(ring.full.keys, claimed, 'x'), isVarveError('damaged', /names another slot/));
});

test('openSlot refuses a full key when its id, gear or repository is not the derived one', async () => {
  const { slot, certificate } = ring.full.identity;
  for (const field of ['id', 'gear', 'repository'] as const) {
    const other = importKeys({ ...exportKeys(ring.root), [field]: nativeEngine.randomBytes(32) });
    const secrets = sealSecrets(other, slot, certificate.boxPublic, 'full');
    const bytes = encodeSlot({ ...parseSlot(ring.full.bytes, 'x'), secrets });
    const opening = openSlot(bytes, { password: ring.full.password }, 'keys/ab');
    await assert.rejects(opening, isVarveError('damaged', new RegExp(`its ${field} is not the derived one`)));
  }
});
