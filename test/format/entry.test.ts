import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { int64 } from '../../src/bytes/int64.js';
import { decode, encode } from '../../src/bytes/msgpack.js';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { VarveError } from '../../src/errors/errors.js';
import { bareDirectory, type Entry, writeEntry } from '../../src/format/entry.js';
import { EntryReader, validName } from '../../src/format/entry-reader.js';
import { isVarveError } from '../errors/expect-error.js';
import * as any from './arbitraries.js';

function encoded(...entries: readonly Entry[]): Buffer {
  const out = new MessagePackWriter();
  for (const entry of entries) writeEntry(out, entry);
  return Buffer.from(out.view());
}

test('entries return as they were written', () => {
  fc.assert(
    fc.property(any.directory, (entries) => {
      const reader = new EntryReader(encoded(...entries), 'tree');
      for (const entry of entries) {
        assert.ok(reader.next());
        assert.deepEqual(reader.entry(), entry);
        assert.deepEqual(reader.raw, encoded(entry));
        assert.equal(reader.user, entry.user);
        assert.equal(reader.group, entry.group);
      }
      assert.equal(reader.next(), false);
      assert.equal(reader.rest.length, 0);
    }),
    { numRuns: 1000 },
  );
});

test('an entry is the MessagePack array that SPEC.md section 11 describes', () => {
  fc.assert(
    fc.property(any.entry, (entry) => {
      const fields = decode(encoded(entry), 'entry') as unknown[];
      assert.equal(fields.length, 14);
      const [name, type, mode, uid, gid, user, group, mtime, mtimeNs, ctime, ctimeNs, size, content, extra] = fields;
      assert.deepEqual(Buffer.from(name as Uint8Array), entry.name);
      const types = ['file', 'directory', 'symlink', 'fifo', 'socket', 'character', 'block'];
      assert.equal(types[(type as number) - 1], entry.type);
      const { mtimeSeconds, mtimeNanoseconds, ctimeSeconds, ctimeNanoseconds } = entry;
      assert.deepEqual(
        [mode, uid, gid, user, group, mtime, mtimeNs, ctime, ctimeNs, size].map((each) =>
          typeof each === 'string' ? each : int64(BigInt(each as number)),
        ),
        [
          entry.mode,
          entry.uid,
          entry.gid,
          entry.user,
          entry.group,
          mtimeSeconds,
          mtimeNanoseconds,
          ctimeSeconds,
          ctimeNanoseconds,
          entry.size,
        ],
      );
      if (entry.target !== undefined) assert.deepEqual(Buffer.from(content as Uint8Array), entry.target);
      else if (entry.content === undefined) assert.equal(content, null);
      const keys = ['ino', 'dev'];
      if (entry.links > 1) keys.push('links');
      if (entry.atime) keys.push('atime');
      if (entry.rdev) keys.push('rdev');
      if (entry.btime) keys.push('btime');
      if (entry.xattrs) keys.push('xattrs');
      if (entry.holes) keys.push('holes');
      assert.deepEqual(Object.keys(extra as object), keys);
    }),
  );
});

test('a part of an entry is left over, wherever it is cut', () => {
  fc.assert(
    fc.property(any.entry, (entry) => {
      const whole = encoded(entry);
      for (let n = 0; n < whole.length; n++) {
        const reader = new EntryReader(whole.subarray(0, n), 'tree');
        assert.equal(reader.next(), false);
        assert.deepEqual(reader.rest, whole.subarray(0, n));
      }
    }),
    { numRuns: 50 },
  );
});

test('hostile bytes give entries, a rest, or are damaged', () => {
  const attempt = (bytes: Buffer): void => {
    const reader = new EntryReader(bytes, 'tree');
    try {
      while (reader.next()) {
        assert.ok(validName(reader.name));
        reader.entry();
      }
    } catch (error) {
      assert.ok(error instanceof VarveError && error.code === 'damaged', String(error));
      assert.match(error.message, /^tree: /);
    }
  };
  fc.assert(fc.property(any.bytes({ maxLength: 100 }), attempt), { numRuns: 5000 });
  const changed = fc.tuple(any.directory, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }));
  fc.assert(
    fc.property(changed, ([entries, changes]) => {
      const bytes = encoded(...entries);
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      attempt(bytes);
    }),
    { numRuns: 5000 },
  );
});

const FILE = {
  ...bareDirectory(Buffer.from('a'), { size: 0, depth: 0, ids: Buffer.alloc(0) }),
  type: 'file',
  mode: 0o644,
  inode: 1,
  device: 1,
} as const satisfies Entry;

/** The entry with one field, by number, replaced. */
function withField(number: number, value: unknown, entry: Entry = FILE): Buffer {
  const fields = decode(encoded(entry), 'entry') as unknown[];
  fields[number] = value;
  return encode(fields);
}

const LINK: Entry = { ...FILE, type: 'symlink', size: 5, content: undefined, target: Buffer.from('there') };
/** With an extra map of these pairs, each as hex. */
const withExtra = (...pairs: readonly string[]): Buffer =>
  Buffer.concat([
    withField(13, {}).subarray(0, -1),
    Buffer.from([0x80 | pairs.length]),
    ...pairs.map((each) => Buffer.from(each.replaceAll(' ', ''), 'hex')),
  ]);
const PIPE: Entry = { ...FILE, type: 'fifo', content: undefined };

test('fields out of their range, of another type, or at odds with each other are damaged', () => {
  const bad: [string, Buffer][] = [
    ['13 fields', encode((decode(encoded(FILE), '') as unknown[]).slice(0, 13))],
    ['15 fields', encode([...(decode(encoded(FILE), '') as unknown[]), 0])],
    ['a name of text', withField(0, 'a')],
    ['type 0', withField(1, 0)],
    ['type 8', withField(1, 8)],
    ['mode beyond 07777', withField(2, 0o10000)],
    ['a negative mode', withField(2, -1)],
    ['uid beyond 32 bits', withField(3, 2 ** 32)],
    ['a negative gid', withField(4, -1)],
    ['user as bytes', withField(5, Buffer.from('root'))],
    ['a group that is a number', withField(6, 0)],
    ['mtime as text', withField(7, 'now')],
    ['mtime beyond 64 bits', withField(7, 2n ** 63n)],
    ['nanoseconds of a second', withField(8, 1_000_000_000)],
    ['negative nanoseconds', withField(10, -1)],
    ['a negative size', withField(11, -1)],
    ['a size beyond 2^53', withField(11, 2n ** 60n)],
    ['a file without content', withField(12, null)],
    ['a directory without content', withField(12, null, { ...FILE, type: 'directory' })],
    ['a link without target', withField(12, null, { ...LINK, size: 0 })],
    ['a file with a target', withField(12, Buffer.from('x'))],
    ['a link with content', withField(12, [0, 0, Buffer.alloc(0)], { ...LINK, size: 0 })],
    ['a FIFO with content', withField(12, [0, 0, Buffer.alloc(0)], PIPE)],
    ['a FIFO with a target', withField(12, Buffer.from('x'), { ...PIPE, size: 1 })],
    ['a target with a zero byte', withField(12, Buffer.from('th\0re'), LINK)],
    ['content of two fields', withField(12, [0, 0])],
    ['depth 2', withField(12, [0, 2, Buffer.alloc(0)])],
    ['half an id', withField(12, [0, 0, Buffer.alloc(33)])],
    ['ids as text', withField(12, [0, 0, ''])],
    ['extra as an array', withField(13, [])],
    ['a key that is a number', Buffer.concat([encoded(FILE).subarray(0, -11), Buffer.from('810101', 'hex')])],
    ['rdev of three', withField(13, { rdev: [1, 2, 3] })],
    ['a device without its numbers', withField(1, 6, PIPE)],
    ['atime with the nanoseconds of a second', withField(13, { atime: [1, 1_000_000_000] })],
    ['btime with the nanoseconds of a second', withField(13, { btime: [1, 1_000_000_000] })],
    ['attributes too long for an entry', withField(13, { xattrs: Buffer.alloc(1025) })],
    ['attributes too long for all', withField(13, { xattrs: [16 * 1024 * 1024 + 1, 0, Buffer.alloc(32)] })],
    ['holes in a folder', withField(13, { holes: Buffer.of(0x92, 0, 5) }, { ...FILE, type: 'directory', size: 0 })],
    ['holes in a file that is no longer than its content', withField(13, { holes: Buffer.of(0x92, 0, 5) })],
    ['links as text', withField(13, { links: '2' })],
    ['negative links', withField(13, { links: -1 })],
    ['a link that is longer than its target', withField(11, 6, LINK)],
    ['a link of no length', withField(11, 0, LINK)],
    ['a folder with a length', withField(11, 1, { ...FILE, type: 'directory' })],
    ['a FIFO with a length', withField(11, 1, PIPE)],
    ['a key that is there twice', withExtra('a3696e6f 01', 'a3696e6f 01')],
    [
      'a key that is there twice, among others',
      withExtra('a3696e6f 01', 'a3646576 01', 'a5627469 6d65 920102', 'a3646576 01'),
    ],
    ['a key that is there twice, once written longer', withExtra('a3696e6f 01', 'd903696e6f 02')],
    ['a key of a later version that is there twice', withExtra('a16c 01', 'a16d 01', 'a16c 01')],
    ['a key that is not UTF-8', withExtra('a1ff 01')],
  ];
  for (const [what, bytes] of bad) {
    const reader = new EntryReader(bytes, '/home');
    assert.throws(() => reader.next(), isVarveError('damaged', /^\/home: /), what);
  }
});

test('extra keys that a later version may have are passed over', () => {
  const reader = new EntryReader(withField(13, { ino: 5, later: [{ a: Buffer.from('b') }], dev: 6, zz: 'ä' }), 'tree');
  assert.ok(reader.next());
  assert.deepEqual([reader.inode, reader.device, reader.links], [5, 6, 1]);
});

test('EntryReader does not carry extra fields over to the next entry', () => {
  const times = { atime: [5, 6], btime: [7, 8] } as const;
  const device: Entry = {
    ...PIPE,
    ...times,
    type: 'block',
    rdev: [8, 1],
    links: 3,
    inode: 77,
    xattrs: Buffer.from('x'),
  };
  const reader = new EntryReader(encoded(device, { ...PIPE, name: Buffer.from('b'), inode: 0, device: 0 }), 'tree');
  assert.ok(reader.next() && reader.next());
  const { rdev, atime, btime, xattrs, links, inode, target, content } = reader;
  assert.deepEqual(
    { rdev, atime, btime, xattrs, links, inode, target, content },
    {
      rdev: undefined,
      atime: undefined,
      btime: undefined,
      xattrs: undefined,
      links: 1,
      inode: 0,
      target: undefined,
      content: undefined,
    },
  );
});

test('names that cannot stand in a directory are refused', () => {
  const good = ['a', '...', '.a', '..a', ' ', '\n', '\xff', '~', 'a'.repeat(65_535)];
  const bad = ['', '.', '..', '/', 'a/b', '/a', 'a/', 'a\0', '\0', '../a', 'a'.repeat(65_536)];
  for (const name of good) assert.ok(validName(Buffer.from(name, 'latin1')), JSON.stringify(name));
  for (const name of bad) {
    const bytes = Buffer.from(name, 'latin1');
    assert.ok(!validName(bytes), JSON.stringify(name.slice(0, 10)));
    const reader = new EntryReader(encoded({ ...FILE, name: bytes }), 'tree');
    assert.throws(() => reader.next(), isVarveError('damaged', /name/));
  }
});

test('names come in ascending order of bytes, each once, also across the parts of a stream', () => {
  const named = (name: string): Entry => ({ ...FILE, name: Buffer.from(name, 'latin1') });
  const reading = (bytes: Buffer, previous?: string) => () => {
    const reader = new EntryReader(bytes, 'tree', {
      previous: previous === undefined ? undefined : Buffer.from(previous, 'latin1'),
    });
    while (reader.next());
  };
  assert.doesNotThrow(reading(encoded(named('B'), named('a'), named('a!'), named('\xe4'))));
  assert.throws(reading(encoded(named('a'), named('a'))), isVarveError('damaged', /order/));
  assert.throws(reading(encoded(named('a'), named('B'))), isVarveError('damaged', /order/));
  assert.throws(reading(encoded(named('\xe4'), named('z'))), isVarveError('damaged', /order/));
  assert.throws(reading(encoded(named('a')), 'a'), isVarveError('damaged', /order/));
  assert.throws(reading(encoded(named('a')), 'b'), isVarveError('damaged', /order/));
  assert.doesNotThrow(reading(encoded(named('b')), 'a'));
});
