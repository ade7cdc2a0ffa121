import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { VarveError } from '../../src/errors/errors.js';
import { Layout, type Piece } from '../../src/format/layout.js';
import { decodeXattrs, encodeXattrs } from '../../src/format/xattrs.js';
import * as any from './arbitraries.js';

const xattrs = fc
  .uniqueArray(fc.record({ name: any.name, value: any.bytes({ maxLength: 300 }) }, { noNullPrototype: true }), {
    selector: ({ name }) => name.toString('latin1'),
    maxLength: 8,
  })
  .map((list) => list.sort((a, b) => Buffer.compare(a.name, b.name)));

const run = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 2 ** 40 }));
const runs = fc
  .tuple(fc.oneof(fc.constant(0), run), fc.array(run, { maxLength: 20 }))
  .map(([first, rest]) => [first, ...rest]);

/** Decoding either gives something, or says that it is damaged. */
function attempt(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(error instanceof VarveError && error.code === 'damaged', String(error));
    assert.match(error.message, /^entry: /);
  }
}

test('attributes survive their encoding', () => {
  fc.assert(fc.property(xattrs, (list) => assert.deepEqual(decodeXattrs(encodeXattrs(list), 'entry'), list)));
});

test('attributes out of order, twice, without a value or with more behind them are damaged', () => {
  const [a, b] = [
    { name: Buffer.from('user.a'), value: Buffer.from('1') },
    { name: Buffer.from('user.b'), value: Buffer.from('2') },
  ];
  const refused = (bytes: Buffer, why: RegExp) => assert.throws(() => decodeXattrs(bytes, 'entry'), why);
  refused(encodeXattrs([b, a]), /out of order/);
  refused(encodeXattrs([a, a]), /out of order/);
  refused(Buffer.concat([encodeXattrs([a]), Buffer.from([0])]), /something follows/);
  refused(encodeXattrs([a]).subarray(0, -1), /cut off/);
  refused(Buffer.from([0x91, 0xc4, 0x01, 0x61]), /no value/);
  refused(encodeXattrs([{ name: Buffer.alloc(0), value: a.value }]), /name of an attribute/);
  refused(encodeXattrs([{ name: Buffer.from('user.\0'), value: a.value }]), /name of an attribute/);
  refused(encodeXattrs([{ name: Buffer.alloc(256, 'x'), value: a.value }]), /name of an attribute/);
});

test('hostile bytes give attributes or a layout, or are damaged', () => {
  const hostile = fc.oneof(
    any.bytes({ maxLength: 60 }),
    fc.tuple(xattrs, fc.nat(), fc.nat(255)).map(([list, at, value]) => {
      const bytes = encodeXattrs(list);
      bytes[at % bytes.length] = value;
      return bytes;
    }),
  );
  const decode = (bytes: Buffer) => {
    attempt(() => decodeXattrs(bytes, 'entry'));
    attempt(() => Layout.decode(bytes, 1000, 100, 'entry'));
  };
  fc.assert(fc.property(hostile, decode), { numRuns: 5000 });
});

test('Layout survives its encoding and locates each byte of the stream', () => {
  const property = fc.property(runs, fc.nat(), fc.nat(), (lengths, from, count) => {
    const layout = new Layout(lengths);
    const data = lengths.filter((_, at) => at % 2 === 0).reduce((sum, each) => sum + each, 0);
    assert.equal(layout.stored, data);
    const decoded = Layout.decode(layout.encode(), layout.size, layout.stored, 'entry');
    assert.deepEqual([...decoded.pieces(0, data)], everyRun(lengths));
    const start = data === 0 ? 0 : from % data;
    const length = Math.min(count, data - start);
    const clipped = everyRun(lengths).flatMap((piece) => clip(piece, start, length));
    assert.deepEqual([...decoded.pieces(start, length)], clipped);
  });
  fc.assert(property);
});

test('a layout that does not fit the file is damaged', () => {
  const bytes = new Layout([4096, 8192, 4096]).encode();
  const refused = (size: number, stored: number) =>
    assert.throws(() => Layout.decode(bytes, size, stored, 'entry'), /do not fit/);
  Layout.decode(bytes, 16384, 8192, 'entry');
  refused(16385, 8192);
  refused(16384, 8191);
  const zero = new Layout([4096, 0, 4096]).encode();
  assert.throws(() => Layout.decode(zero, 8192, 8192, 'entry'), /no bytes/);
});

test('Layout.truncated keeps the remaining runs, and returns undefined when no hole remains', () => {
  const property = fc.property(runs, fc.nat(), (lengths, count) => {
    const layout = new Layout(lengths);
    const stored = layout.stored === 0 ? 0 : count % layout.stored;
    const shorter = layout.truncated(stored);
    const before = everyRun(lengths).flatMap((piece) => clip(piece, 0, stored));
    if (shorter === undefined) {
      assert.ok(before.every(({ stream, file }) => stream === file));
      return;
    }
    assert.ok(shorter.size > shorter.stored, 'SPEC.md: a file with holes is longer than its stream');
    assert.equal(shorter.stored, stored);
    const decoded = Layout.decode(shorter.encode(), shorter.size, stored, 'entry');
    assert.deepEqual([...decoded.pieces(0, stored)], before);
  });
  fc.assert(property);
});

/** What lies where, worked out the slow way. */
function everyRun(lengths: readonly number[]): Piece[] {
  const pieces: Piece[] = [];
  let [stream, file] = [0, 0];
  for (const [at, length] of lengths.entries()) {
    if (at % 2 === 0) {
      if (length > 0) pieces.push({ stream, file, length });
      stream += length;
    }
    file += length;
  }
  return pieces;
}

function clip(piece: Piece, start: number, length: number): Piece[] {
  const from = Math.max(piece.stream, start);
  const end = Math.min(piece.stream + piece.length, start + length);
  return from < end ? [{ stream: from, file: piece.file + from - piece.stream, length: end - from }] : [];
}
