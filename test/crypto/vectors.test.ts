import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { toHex } from '../../src/bytes/hex.js';
import { nativeEngine } from '../../src/crypto/native.js';
import { openFrame, unwrapPackKey } from '../../src/crypto/pack-key.js';
import { openObject, type SealedKind } from '../../src/crypto/sealed.js';
import { openSigned, type SignedKind } from '../../src/crypto/signed.js';
import { type OpenedSlot, openSlot } from '../../src/crypto/slot.js';
import { portableEngine } from './portable.js';
import { type Expected, SpecReader } from './spec-reader.js';
import { buildVectors } from './vectors.js';

const vectors: Expected = JSON.parse(readFileSync('fixtures/vectors/crypto.json', 'utf8'));
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

for (const engine of [nativeEngine, portableEngine]) {
  test(`the ${engine.name} engine writes the vectors byte for byte`, async () => {
    assert.deepEqual(await buildVectors(engine), vectors);
  });

  test(`the ${engine.name} engine reads the vectors`, async () => {
    const opened: OpenedSlot[] = [];
    for (const slot of vectors.slots) {
      const unlock =
        slot.password === undefined ? { keyFile: bytes(slot.keyFile as string) } : { password: slot.password };
      const one = await openSlot(bytes(slot.bytes), unlock, 'keys/x', engine);
      assert.equal(one.keys.role, slot.role);
      assert.equal(toHex(one.identity.boxPrivate), slot.boxPrivate);
      opened.push(one);
    }
    const password = vectors.slots[0]?.password as string;
    const { keys } = await openSlot(bytes(vectors.resealed[0]?.bytes as string), { password }, 'keys/x', engine);
    assert.equal(keys.newestEpoch, 2);
    assert.equal(keys.revoked.length, 1);
    for (const { kind, epoch, compressed, plaintext, bytes: sealed } of vectors.sealed) {
      const object = openObject(keys, kind as SealedKind, bytes(sealed), 'x');
      assert.deepEqual([object.epoch, object.compressed], [epoch, compressed && kind === 'index']);
      assert.equal(toHex(object.plaintext), plaintext);
    }
    for (const { kind, epoch, payload, bytes: signed } of vectors.signed)
      assert.equal(toHex(openSigned(keys, kind as SignedKind, epoch, bytes(signed), 'x').payload), payload);
    for (const { kind, key, wrapped } of vectors.packKeys)
      assert.equal(toHex(unwrapPackKey(keys, kind, bytes(wrapped))), key);
    for (const frame of vectors.frames)
      assert.equal(
        toHex(
          openFrame(
            bytes(frame.key),
            frame.counter,
            frame.codec,
            frame.rawLength,
            bytes(frame.stored),
            'x',
            undefined,
            engine,
          ),
        ),
        frame.body,
      );
  });
}

test('a reader written from SPEC.md alone reads the vectors', async () => {
  const reader = new SpecReader(vectors);
  reader.checkDerivations();
  for (const slot of vectors.slots) await reader.checkSlot(slot);
  for (const slot of vectors.resealed) await reader.checkResealed(slot);
  for (const object of vectors.sealed) reader.checkSealed(object);
  for (const object of vectors.signed) reader.checkSigned(object);
  for (const pack of vectors.packKeys) reader.checkPackKey(pack);
  for (const frame of vectors.frames) reader.checkFrame(frame);
  for (const footer of vectors.footers) reader.checkFooter(footer);
});
