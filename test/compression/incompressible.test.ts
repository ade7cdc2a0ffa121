import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { looksIncompressible } from '../../src/compression/incompressible.js';
import { compress, compressBound } from '../../src/compression/zstd.js';

const KIB = 1024;
const noise = (length: number): Buffer => randomFillSync(Buffer.alloc(length));
const code = readFileSync(process.execPath).subarray(4 * KIB * KIB, 12 * KIB * KIB);

test('noise looks incompressible, at any length from 4 KiB on', () => {
  for (let round = 0; round < 200; round++) {
    const length = 4 * KIB + Math.floor(4 * KIB * round ** 1.4);
    assert.ok(looksIncompressible(noise(length)), `${length}`);
  }
});

test('compressed data looks incompressible', () => {
  const packed = Buffer.from(compress(code, { level: 3 }, compressBound(code.length)) as Buffer);
  let found = 0;
  let blocks = 0;
  for (let at = 0; at + 64 * KIB <= packed.length; at += 64 * KIB, blocks++) {
    if (looksIncompressible(packed.subarray(at, at + 64 * KIB))) found++;
  }
  assert.ok(found > 0.9 * blocks, `${found} of ${blocks}`);
});

test('text, program code, numbers and emptiness do not', () => {
  const text = Buffer.from(Array.from({ length: 5000 }, (_, i) => `line ${i}: the quick brown fox\n`).join(''));
  const hex = Buffer.from(noise(64 * KIB).toString('hex'));
  const base64 = Buffer.from(noise(64 * KIB).toString('base64'));
  const counters = Buffer.from(new Uint32Array(32 * KIB).map((_, i) => i).buffer);
  for (const [name, data] of Object.entries({ text, hex, base64, counters, zeros: Buffer.alloc(64 * KIB) }))
    assert.equal(looksIncompressible(data), false, name);
  let found = 0;
  for (let at = 0; at + 64 * KIB <= code.length; at += 64 * KIB)
    if (looksIncompressible(code.subarray(at, at + 64 * KIB))) found++;
  assert.ok(found <= 3, `${found} blocks of program code`);
});

test('random bytes look compressible when some values never occur', () => {
  const letters = noise(64 * KIB).map((byte) => byte % 180);
  assert.equal(looksIncompressible(letters), false);
  assert.ok((compress(letters, { level: 1 }, compressBound(letters.length))?.length ?? 0) < letters.length * 0.97);
});

test('short data is never called so', () => {
  for (const length of [0, 1, 100, 4 * KIB - 1]) assert.equal(looksIncompressible(noise(length)), false);
});

test('noise at the start alone is not enough', () => {
  const mixed = Buffer.concat([noise(32 * KIB), Buffer.alloc(96 * KIB, 'a')]);
  assert.equal(looksIncompressible(mixed), false);
});

test('each answer is independent of earlier data', () => {
  const hash = createHash('sha256').update('a').digest();
  const repeated = Buffer.concat(Array.from({ length: 512 }, () => hash));
  for (let round = 0; round < 3; round++) {
    assert.ok(looksIncompressible(noise(64 * KIB)));
    assert.equal(looksIncompressible(repeated), false);
  }
});
