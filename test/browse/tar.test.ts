import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { tarHeader } from '../../src/browse/tar.js';
import { bareDirectory, type Entry } from '../../src/format/entry.js';
import type { Xattr } from '../../src/format/xattrs.js';

const BLOCK = 512;
const PATH = Buffer.from('file');

const entry = (given: Partial<Entry>): Entry => ({
  ...bareDirectory(PATH, { size: 5, depth: 0, ids: Buffer.alloc(32) }),
  type: 'file',
  mode: 0o644,
  mtimeSeconds: 1_000_000_000,
  size: 5,
  ...given,
});

const sizeIn = (header: Buffer): number => Number.parseInt(header.toString('latin1', 124, 135), 8);

/** Parses the extended records before a header by the length that each states. */
function recordsOf(given: Partial<Entry>, xattrs: readonly Xattr[] = []): Record<string, string> {
  const archive = tarHeader(PATH, entry(given), undefined, xattrs);
  const records: Record<string, string> = {};
  if (archive.length === BLOCK) return records;
  const end = BLOCK + sizeIn(archive);
  for (let at = BLOCK; at < end; ) {
    const space = archive.indexOf(' ', at);
    const next = at + Number(archive.toString('latin1', at, space));
    assert.ok(next <= end && archive[next - 1] === 0x0a, 'a record ends with a new line');
    const equals = archive.indexOf('=', at);
    records[archive.toString('latin1', space + 1, equals)] = archive.toString('latin1', equals + 1, next - 1);
    at = next;
  }
  return records;
}

test('tarHeader writes the length of a record when the length itself adds a digit', () => {
  for (let length = 0; length < 1100; length++) {
    const value = Buffer.alloc(length, 'v');
    const records = recordsOf({}, [{ name: Buffer.from('user.a'), value }]);
    assert.deepEqual(records, { 'SCHILY.xattr.user.a': value.toString() });
  }
});

test('tarHeader writes exact times when they have fractions or lie before 1970', () => {
  for (const [seconds, nanoseconds, text] of [
    [1, 500_000_000, '1.500000000'],
    [-1, 250_000_000, '-0.750000000'],
    [-2, 250_000_000, '-1.750000000'],
    [-1, 0, '-1.000000000'],
    [0, 1, '0.000000001'],
  ] as const)
    assert.deepEqual(recordsOf({ mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds }), { mtime: text });
  assert.deepEqual(recordsOf({}), {});
});

test('tarHeader writes a size of 0 when the entry is a hard link', () => {
  const header = tarHeader(PATH, entry({ links: 2 }), Buffer.from('first'), []);
  assert.equal(header.toString('latin1', 156, 162), '1first');
  assert.equal(sizeIn(header), 0);
});
