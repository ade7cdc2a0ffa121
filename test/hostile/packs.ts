import { Buffer } from 'node:buffer';
import { DATA, TREE } from '../../src/format/content.js';
import type { IndexedPack } from '../../src/format/index-object.js';
import { RAW, ZSTD } from '../../src/format/pack-record.js';
import type { ForgedFrame } from '../restore/crafted.js';
import { CONTENTS, file, type HostileCase, HUGE_ARRAY, name, nested } from './case.js';

/** A zstd frame that states its content size, of one block (RFC 8878): `length` times a byte. */
function zstdFrame(states: number, length: number, windowDescriptor?: number): Buffer {
  const window = windowDescriptor === undefined ? [] : [windowDescriptor];
  const head = Buffer.from([
    0x28,
    0xb5,
    0x2f,
    0xfd,
    window.length === 0 ? 0xa0 : 0x80,
    ...window,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x78,
  ]);
  head.writeUInt32LE(states, 5 + window.length);
  // The last block, run length encoded.
  head.writeUIntLE((length << 3) | 0b011, 9 + window.length, 3);
  return head;
}

const CONTENT = Buffer.alloc(1000, 'x');

/** A file of 1,000 bytes in a frame of its own. */
function inFrame(body: Buffer, changes: Partial<ForgedFrame> = {}): NonNullable<HostileCase['directory']> {
  return (forge) => {
    const ids = forge.id(CONTENT, DATA);
    forge.pack(DATA, [{ body, codec: ZSTD, rawLength: 1000, ids: [ids], lengths: [1000], ...changes }]);
    return forge.directory(file(forge, 'file', { content: { size: 1000, depth: 0, ids } }));
  };
}

function damagedFrame(called: string, what: string, body: Buffer, message: string): HostileCase {
  return {
    name: `zstd-${called}`,
    what,
    message: `/bad/file: data/\\w+: compressed data ${message}`,
    fails: CONTENTS,
    directory: inFrame(body),
  };
}

/** A file of 1,000 bytes in an honest pack of which the index says something else. */
function misindexed(listed: (pack: IndexedPack) => IndexedPack): NonNullable<HostileCase['directory']> {
  return (forge) => {
    const other = Buffer.alloc(1000, 'y');
    const ids = [CONTENT, other].map((bytes) => forge.id(bytes, DATA));
    const body = Buffer.concat([CONTENT, other]);
    forge.pack(DATA, [{ body, codec: RAW, rawLength: 2000, ids, lengths: [1000, 1000] }], listed);
    const [id = Buffer.alloc(0)] = ids;
    return forge.directory(file(forge, 'file', { content: { size: 1000, depth: 0, ids: id } }));
  };
}

/** With numbers of the record at other values: little-endian, by their place. */
function patched(
  pack: IndexedPack,
  column: 'frames' | 'lengths',
  values: Readonly<Record<number, number>>,
): IndexedPack {
  const bytes = Buffer.from(pack.record[column]);
  for (const [at, value] of Object.entries(values)) bytes.writeUInt32LE(value, Number(at));
  return { ...pack, record: { ...pack.record, [column]: bytes } };
}

const [OFFSET, RAW_LENGTH] = [0, 8];

/** Packs and index objects that lie. */
export const PACKS: readonly HostileCase[] = [
  {
    name: 'zstd-honest',
    what: 'what the others begin with: 1,000 bytes',
    restored: ['bad/file'],
    directory: inFrame(zstdFrame(1000, 1000)),
  },
  damagedFrame(
    'inflates-past',
    'a frame that states 1,000 bytes and inflates to 2,000,000',
    zstdFrame(1000, 2_000_000),
    'is damaged',
  ),
  damagedFrame('falls-short', 'a frame that states 1,000 bytes and inflates to 10', zstdFrame(1000, 10), 'is damaged'),
  damagedFrame(
    'states-less',
    'a frame that states 10 bytes where the index says 1,000',
    zstdFrame(10, 1000),
    'states a wrong size',
  ),
  damagedFrame(
    'states-more',
    'a frame that states gigabytes where the index says 1,000',
    zstdFrame(0xffff_ffff, 1000),
    'states a wrong size',
  ),
  damagedFrame(
    'twice',
    'two frames, of 1,000 bytes together',
    Buffer.concat([zstdFrame(1000, 1000), zstdFrame(0, 0)]),
    'is no one frame',
  ),
  damagedFrame('noise', 'no frame', Buffer.alloc(100, 0x55), 'states a wrong size'),
  {
    name: 'zstd-window',
    what: 'a frame of 1,000 bytes that asks for a window of terabytes: it is read without one, or refused',
    mayFail: CONTENTS,
    message: '/bad/file: data/\\w+: compressed data',
    fails: [],
    directory: inFrame(zstdFrame(1000, 1000, 0xff)),
  },
  {
    name: 'frame-other-bytes',
    what: 'a chunk whose bytes are not those that its id names',
    message: '/bad/file: data/\\w+: blob \\w+ holds other data',
    fails: CONTENTS,
    directory: inFrame(Buffer.alloc(1000, 'z'), { codec: RAW }),
  },
  {
    name: 'index-swapped',
    what: 'an index that takes two chunks for each other',
    message: '/bad/file: data/\\w+: blob \\w+ holds other data',
    fails: CONTENTS,
    directory: misindexed((pack) => {
      const { ids } = pack.record;
      return { ...pack, record: { ...pack.record, ids: Buffer.concat([ids.subarray(32), ids.subarray(0, 32)]) } };
    }),
  },
  {
    name: 'index-longer',
    what: 'an index that says that a chunk is longer than its frame',
    message: '/bad/file: its chunks have 60000000 bytes together, not 1000',
    fails: CONTENTS,
    directory: misindexed((pack) => {
      const longer = patched(pack, 'lengths', { 0: 60_000_000 });
      return patched(longer, 'frames', { [RAW_LENGTH]: 60_001_000 });
    }),
  },
  {
    name: 'index-longer-frame',
    what: 'an index that says that a frame is longer than it is',
    message: '/bad/file: data/\\w+: .*authentication',
    fails: CONTENTS,
    directory: misindexed((pack) => {
      const longer = patched(pack, 'lengths', { 4: 60_000_000 });
      return patched(longer, 'frames', { [RAW_LENGTH]: 60_001_000 });
    }),
  },
  {
    name: 'index-sum',
    what: 'an index in which a frame and its chunks differ in length: what it alone lists is not found',
    message: 'a frame and its blobs differ in length',
    restored: null,
    directory: misindexed((pack) => patched(pack, 'lengths', { 0: 999 })),
  },
  {
    name: 'index-outside',
    what: 'an index that says that a frame lies beyond the end of its pack',
    message: '/bad/file: .*data/\\w+',
    fails: CONTENTS,
    directory: misindexed((pack) => patched(pack, 'frames', { [OFFSET]: 900_000_000 })),
  },
  {
    name: 'index-pack-missing',
    what: 'an index that lists a pack that is not there',
    message: '/bad/file: .*data/0707',
    fails: CONTENTS,
    directory: misindexed((pack) => ({ ...pack, name: Buffer.alloc(32, 7) })),
  },
  {
    name: 'index-loop',
    what: 'a folder that contains itself: the index says that the blob which it names lies where the folder does',
    message: '/bad/folder: data/\\w+: blob 0707\\w+ holds other data',
    fails: ['restore', 'ls', 'dump', 'zip', 'stats'],
    restored: ['bad/folder'],
    directory: (forge) => {
      const id = Buffer.alloc(32, 7);
      const content = { size: 100, depth: 0 as const, ids: id };
      const bytes = forge.encoded({ name: name('folder'), type: 'directory', content });
      forge.pack(TREE, [{ body: bytes, codec: RAW, rawLength: bytes.length, ids: [id], lengths: [bytes.length] }]);
      return forge.content(bytes, TREE);
    },
  },
  {
    name: 'folder-in-data-pack',
    what: 'the entries of a folder in a pack of data',
    message: '/bad: tree blob \\w+ is in no pack',
    directory: (forge) => {
      const bytes = forge.encoded(file(forge, 'file'));
      const id = forge.id(bytes, TREE);
      forge.pack(DATA, [{ body: bytes, codec: RAW, rawLength: bytes.length, ids: [id], lengths: [bytes.length] }]);
      return { size: bytes.length, depth: 0, ids: id };
    },
  },
  {
    name: 'index-array-huge',
    what: 'a further index object that says that it is an array of 2^32 − 1',
    index: HUGE_ARRAY,
    directory: (forge) => forge.directory(),
  },
  {
    name: 'index-nested',
    what: 'a further index object of a million arrays inside one another',
    index: nested(1_000_000),
    directory: (forge) => forge.directory(),
  },
];
