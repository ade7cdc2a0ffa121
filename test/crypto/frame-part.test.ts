import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { nativeEngine } from '../../src/crypto/native.js';
import { decryptFramePart, FRAME_OVERHEAD, openFrame, sealFrameInto } from '../../src/crypto/pack-key.js';
import { portableEngine } from './portable.js';

describe('a part of a frame that is opened alone', () => {
  const key = randomBytes(32);
  const body = randomBytes(200_000);
  const stored = Buffer.alloc(body.length + FRAME_OVERHEAD);
  sealFrameInto(stored, 0, key, 77, 0, body.length, body);

  for (const engine of [nativeEngine, portableEngine])
    it(`is what it is in the frame that is opened whole: ${engine.name}`, () => {
      for (const [offset, length] of [
        [0, 16],
        [0, body.length],
        [16, 1],
        [4096, 100_000],
        [131_072, body.length - 131_072],
        [199_984, 16],
      ] as const) {
        const out = Buffer.alloc(length);
        decryptFramePart(key, 77, offset, stored.subarray(offset, offset + length), out, engine);
        assert.equal(out.equals(body.subarray(offset, offset + length)), true, `${offset}, ${length}`);
        const inPlace = Buffer.from(stored.subarray(offset, offset + length));
        decryptFramePart(key, 77, offset, inPlace, inPlace, engine);
        assert.equal(inPlace.equals(out), true);
      }
      const whole = openFrame(key, 77, 0, body.length, Buffer.from(stored), 'pack', undefined, engine);
      assert.equal(Buffer.compare(whole, body), 0);
    });
});
