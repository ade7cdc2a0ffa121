import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode } from '../../src/bytes/msgpack.js';
import { ENDS_EARLY, MessagePackReader } from '../../src/bytes/reader.js';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { VarveError } from '../../src/errors/errors.js';
import { bareDirectory, writeEntry } from '../../src/format/entry.js';
import { EntryReader } from '../../src/format/entry-reader.js';
import { decodeSnapshot, encodeSnapshot } from '../../src/format/snapshot.js';
import * as any from './arbitraries.js';

/** SPEC.md section 1's rules, each as a value that an unknown key has, with `depth` arrays and maps around it. */
const CASES: readonly [rule: string, value: (depth: number) => string, accepted: boolean][] = [
  ['nil', () => 'c0', true],
  ['true', () => 'c3', true],
  ['an integer in more bytes than it takes', () => 'cf0000000000000001', true],
  ['the largest integer', () => 'cfffffffffffffffff', true],
  ['the smallest integer', () => 'd38000000000000000', true],
  ['bytes', () => 'c40100', true],
  ['text with its length in four bytes', () => 'db0000000161', true],
  ['an array with its length in four bytes', () => 'dd00000001c0', true],
  ['a map with its length in four bytes', () => 'df00000001a161c0', true],
  ['a key named __proto__', () => `81a9${Buffer.from('__proto__').toString('hex')}80`, true],
  ['16 arrays inside one another', (depth) => `${'91'.repeat(16 - depth)}c0`, true],
  ['17 arrays inside one another', (depth) => `${'91'.repeat(17 - depth)}c0`, false],
  ['17 arrays, the innermost empty', (depth) => `${'91'.repeat(16 - depth)}90`, false],
  ['16 maps inside one another', (depth) => `${'81a161'.repeat(16 - depth)}c0`, true],
  ['17 maps inside one another', (depth) => `${'81a161'.repeat(17 - depth)}c0`, false],
  ['a float of 4 bytes', () => 'ca3f800000', false],
  ['a float of 8 bytes', () => 'cb3ff0000000000000', false],
  ['the byte that MessagePack does not use', () => 'c1', false],
  ['an extension of fixed length', () => 'd40000', false],
  ['an extension of any length', () => 'c70101ff', false],
  ['text that is not UTF-8', () => 'a2c328', false],
  ['a surrogate in text', () => 'a3eda080', false],
  ['a key that is not UTF-8', () => '81a2c328c0', false],
  ['a key of bytes', () => '81c40161c0', false],
  ['a key that is a number', () => '8101c0', false],
  ['a key that comes twice', () => '82a161c0a161c0', false],
  ['a key that comes twice, in lengths of two widths', () => '82a161c0d90161c0', false],
];

/** Each returns whether it accepts the value; a decoder must not fail in another way. */
const DECODERS: Readonly<Record<string, (value: (depth: number) => string) => boolean>> = {
  decode: (value) => accepts(() => decode(Buffer.from(value(0), 'hex'), 'x')),
  'the streaming reader': (value) => accepts(() => new MessagePackReader(Buffer.from(value(0), 'hex'), 'x').skip(0)),
  'a snapshot': (value) => accepts(() => decodeSnapshot(withKey(SNAPSHOT, value(1)), 'x')),
  'an entry': (value) =>
    accepts(() => {
      const reader = new EntryReader(Buffer.concat([ENTRY, Buffer.from(`81a3${UNKNOWN}${value(2)}`, 'hex')]), 'x');
      assert.ok(reader.next(), 'the entry is whole');
    }),
};

const UNKNOWN = Buffer.from('new').toString('hex');
const SNAPSHOT = encodeSnapshot(fc.sample(any.snapshot, { numRuns: 1, seed: 1 })[0] as never);
/** An entry, up to its last field, which is a map. */
const ENTRY = entryWithoutExtra();

function entryWithoutExtra(): Buffer {
  const out = new MessagePackWriter();
  writeEntry(out, bareDirectory(Buffer.from('a'), { size: 0, depth: 0, ids: Buffer.alloc(0) }));
  const start = out.view().indexOf(Buffer.from('82a3696e6f', 'hex'));
  assert.ok(start > 0);
  return Buffer.from(out.view(0).subarray(0, start));
}

/** A map with one more key: the first byte says how many there are. */
function withKey(map: Buffer, value: string): Buffer {
  const count = (map[0] as number) & 15;
  const header = Buffer.from([0xde, 0, count + 1]);
  return Buffer.concat([header, map.subarray(1), Buffer.from(`a3${UNKNOWN}${value}`, 'hex')]);
}

function accepts(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    assert.notEqual(error, ENDS_EARLY);
    assert.ok(error instanceof VarveError && error.code === 'damaged', String(error));
    return false;
  }
}

for (const [rule, value, accepted] of CASES)
  test(`every decoder ${accepted ? 'accepts' : 'refuses'} ${rule}`, () => {
    const verdicts = Object.entries(DECODERS).map(([name, read]) => [name, read(value)]);
    assert.deepEqual(
      verdicts,
      Object.keys(DECODERS).map((name) => [name, accepted]),
    );
  });
