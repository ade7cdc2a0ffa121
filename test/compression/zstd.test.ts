import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { portableEngine, type ZstdParameters, zstd } from '../../src/compression/engine.js';
import { COMPRESSIONS, compressionParameters, parseCompression } from '../../src/compression/policy.js';
import { compress, compressBound, decompress } from '../../src/compression/zstd.js';
import { WorkerPool } from '../../src/workers/pool.js';
import { isVarveError } from '../errors/expect-error.js';
import type { Load, Result } from './compress-worker.js';

const FAST: ZstdParameters = { level: 1 };

/** Data from nothing but zeros to nothing but noise. */
const data = fc
  .record({ length: fc.oneof(fc.nat(300), fc.nat(300_000)), letters: fc.constantFrom(1, 4, 40, 256), seed: fc.nat() })
  .map(({ length, letters, seed }) => {
    const out = Buffer.alloc(length);
    let state = seed;
    for (let at = 0; at < length; at++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      out[at] = (state >>> 16) % letters;
    }
    return out;
  });

const packed = (raw: Uint8Array, parameters = FAST): Buffer =>
  Buffer.from(compress(raw, parameters, compressBound(raw.length)) as Buffer);

const settings = COMPRESSIONS.filter((each) => each !== 'off').map(
  (each) => compressionParameters(each) as ZstdParameters,
);

test('data returns as it was, at every setting', () => {
  fc.assert(
    fc.property(data, fc.constantFrom(...settings), (raw, parameters) => {
      const stored = packed(raw, parameters);
      assert.deepEqual(decompress(stored, raw.length, 'data/ab'), raw);
      const into = Buffer.alloc(raw.length);
      assert.equal(decompress(stored, raw.length, 'data/ab', into), into);
      assert.deepEqual(into, raw);
    }),
    { numRuns: 60 },
  );
});

test('native and portable engine read each other', async () => {
  const portable = await portableEngine();
  fc.assert(
    fc.property(data, fc.constantFrom(1, 3, 7), (raw, level) => {
      const native = Buffer.alloc(compressBound(raw.length));
      const other = Buffer.alloc(compressBound(raw.length));
      const nativeBytes = native.subarray(0, zstd().compress(raw, { level }, native));
      const portableBytes = other.subarray(0, portable.compress(raw, { level }, other));
      for (const engine of [zstd(), portable]) {
        for (const bytes of [nativeBytes, portableBytes]) {
          const into = Buffer.alloc(raw.length);
          assert.ok(engine.decompress(bytes, into));
          assert.deepEqual(into, raw);
        }
        if (raw.length > 0) assert.equal(engine.decompress(nativeBytes, Buffer.alloc(raw.length - 1)), false);
        assert.equal(engine.decompress(nativeBytes, Buffer.alloc(raw.length + 1)), false);
      }
      assert.equal(portable.compress(raw, { level }, Buffer.alloc(Math.max(0, portableBytes.length - 1))), -1);
    }),
    { numRuns: 30 },
  );
});

test('damaged data is refused by both engines, without a crash', async () => {
  const portable = await portableEngine();
  fc.assert(
    fc.property(data, fc.nat(), fc.nat(254), (raw, at, by) => {
      fc.pre(raw.length > 0);
      const bytes = packed(raw);
      bytes[at % bytes.length] = ((bytes[at % bytes.length] as number) + by + 1) & 0xff;
      for (const engine of [zstd(), portable]) {
        let whole = false;
        try {
          whole = engine.decompress(bytes, Buffer.alloc(raw.length));
        } catch {}
        assert.equal(typeof whole, 'boolean');
      }
    }),
    { numRuns: 300 },
  );
});

test('a result that is longer than its limit is not made', () => {
  const noise = randomFillSync(Buffer.alloc(10_000));
  assert.equal(compress(noise, FAST, 9000), undefined);
  assert.equal(compress(noise, FAST, 0), undefined);
  const zeros = Buffer.alloc(10_000);
  const { length } = packed(zeros);
  assert.equal(compress(zeros, FAST, length - 1), undefined);
  assert.equal(compress(zeros, FAST, length + 20)?.length, length);
});

/** A frame's header as RFC 8878 has it, with this content size in a field of `bytes` bytes. */
function statedSize(size: bigint, bytes: 0 | 1 | 2 | 4 | 8): Buffer {
  const flag = bytes === 8 ? 3 : bytes === 4 ? 2 : bytes === 2 ? 1 : 0;
  const single = bytes === 1;
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, (flag << 6) | (single ? 0x20 : 0), ...(single ? [] : [0x58])]);
  const field = Buffer.alloc(bytes);
  if (bytes === 1) field.writeUInt8(Number(size));
  if (bytes === 2) field.writeUInt16LE(Number(size) - 256);
  if (bytes === 4) field.writeUInt32LE(Number(size));
  if (bytes === 8) field.writeBigUInt64LE(size);
  return Buffer.concat([head, field]);
}

/** The last block of a frame, of this many zeros. */
function zeroBlock(count: number): Buffer {
  const header = 1 | (1 << 1) | (count << 3);
  return Buffer.from([header & 0xff, (header >> 8) & 0xff, header >> 16, 0]);
}

test('sizes are read in each width that a header can have them in', () => {
  for (const [size, width] of [
    [100, 1],
    [256, 2],
    [65_791, 2],
    [100, 4],
    [300, 8],
  ] as const) {
    const frame = Buffer.concat([statedSize(BigInt(size), width), zeroBlock(size)]);
    assert.deepEqual(decompress(frame, size, 'x'), Buffer.alloc(size), `${size} in ${width}`);
  }
});

test('decompress refuses a frame before inflating it when its stated size is wrong or missing', () => {
  const raw = Buffer.from('sediment '.repeat(100));
  const bytes = packed(raw);
  for (const size of [0, raw.length - 1, raw.length + 1, 2 ** 27])
    assert.throws(
      () => decompress(bytes, size, 'data/ab'),
      isVarveError('damaged', /^data\/ab: compressed data states a wrong size/),
    );
  const silent = Buffer.concat([statedSize(0n, 0), zeroBlock(100)]);
  assert.throws(() => decompress(silent, 100, 'x'), isVarveError('damaged', /states a wrong size/));
  const huge = Buffer.concat([statedSize(2n ** 40n, 8), zeroBlock(100)]);
  assert.throws(() => decompress(huge, 100, 'x'), isVarveError('damaged', /states a wrong size/));
  const lying = Buffer.concat([statedSize(50n, 1), zeroBlock(100)]);
  assert.throws(() => decompress(lying, 50, 'x'), isVarveError('damaged'));
  const short = Buffer.concat([statedSize(200n, 1), zeroBlock(100)]);
  assert.throws(() => decompress(short, 200, 'x'), isVarveError('damaged'));
});

test('decompress refuses bytes that are no frame, are cut off, or follow a frame', () => {
  const raw = Buffer.from('sediment '.repeat(1000));
  const bytes = packed(raw);
  for (let n = 0; n < bytes.length; n++)
    assert.throws(() => decompress(bytes.subarray(0, n), raw.length, 'x'), isVarveError('damaged'));
  assert.throws(() => decompress(Buffer.concat([bytes, Buffer.of(0)]), raw.length, 'x'), isVarveError('damaged'));
  assert.throws(
    () => decompress(Buffer.concat([bytes, randomFillSync(Buffer.alloc(50))]), raw.length, 'x'),
    isVarveError('damaged'),
  );
  assert.throws(() => decompress(Buffer.concat([Buffer.of(0), bytes]), raw.length, 'x'), isVarveError('damaged'));
  const skippable = Buffer.concat([Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]), bytes]);
  assert.throws(() => decompress(skippable, raw.length, 'x'), isVarveError('damaged'));
});

test('decompress refuses several frames whose sizes add up', () => {
  const raw = Buffer.from('sediment '.repeat(1000));
  const empty = packed(Buffer.alloc(0));
  const bytes = packed(raw);
  assert.throws(() => decompress(Buffer.concat([bytes, bytes]), raw.length, 'x'), isVarveError('damaged'));
  assert.throws(() => decompress(Buffer.concat([bytes, bytes]), 2 * raw.length, 'x'), isVarveError('damaged'));
  assert.throws(() => decompress(Buffer.concat([bytes, empty]), raw.length, 'x'), isVarveError('damaged'));
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]);
  assert.throws(() => decompress(Buffer.concat([bytes, skippable]), raw.length, 'x'), isVarveError('damaged'));
});

test('threads that compress at the same time do not disturb each other', async () => {
  const pool = new WorkerPool<null, Load, Result>(new URL('./compress-worker.js', import.meta.url), 2, () => ({
    data: null,
    transfer: [],
  }));
  try {
    const loads = Array.from({ length: 16 }, (_, seed) => pool.run({ seed, rounds: 12, bytes: 400_000 }));
    for (const { wrong } of await Promise.all(loads)) assert.equal(wrong, 0);
  } finally {
    await pool.close();
  }
});

test('the names of settings are restic’s', () => {
  assert.deepEqual(COMPRESSIONS, ['auto', 'off', 'fastest', 'better', 'max']);
  for (const each of COMPRESSIONS) assert.equal(parseCompression(each), each);
  for (const bad of ['', 'AUTO', 'none', '3'])
    assert.throws(() => parseCompression(bad), isVarveError('usage', /use one of auto, off/));
  assert.equal(compressionParameters('off'), undefined);
});
