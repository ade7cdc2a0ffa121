import { Buffer } from 'node:buffer';
import { encode } from '../../src/bytes/msgpack.js';
import type { Attachment } from '../../src/format/attachment.js';
import { Layout } from '../../src/format/layout.js';
import { encodeXattrs } from '../../src/format/xattrs.js';
import type { Forge } from '../restore/crafted.js';
import {
  ALL,
  CONTENTS,
  type Command,
  directoryOf,
  file,
  type HostileCase,
  HUGE_ARRAY,
  HUGE_INT,
  name,
  PLACES,
} from './case.js';

/** What unpacks attributes. */
const READERS = ['restore', 'dump'] as const;
const MAX = 16 * 1024 * 1024;

function badXattrs(
  called: string,
  what: string,
  xattrs: Buffer | ((forge: Forge) => Attachment),
  message: string,
  fails: readonly Command[] = READERS,
): HostileCase {
  return {
    name: `xattrs-${called}`,
    what,
    message: `/bad(/file)?: .*${message}`,
    fails,
    restored: fails === ALL ? [] : ['bad/file'],
    directory: (forge) => {
      const attachment = typeof xattrs === 'function' ? xattrs(forge) : forge.attachment(xattrs);
      return forge.directory(file(forge, 'file', { xattrs: attachment }));
    },
  };
}

const pairs = (...values: (string | Buffer)[]): Buffer => encode(values.map((value) => Buffer.from(value)));

/** Extended attributes. */
export const XATTRS: readonly HostileCase[] = [
  badXattrs(
    'order',
    'attributes in descending order',
    pairs('user.b', '', 'user.a', ''),
    'attributes are out of order',
  ),
  badXattrs('twice', 'an attribute twice', pairs('user.a', '', 'user.a', ''), 'attributes are out of order'),
  badXattrs('no-value', 'an attribute without a value', pairs('user.a'), 'an attribute has no value'),
  badXattrs(
    'nul',
    'an attribute whose name has a zero byte',
    pairs('user.a\0b', ''),
    'the name of an attribute is not valid',
  ),
  badXattrs('empty-name', 'an attribute without a name', pairs('', ''), 'the name of an attribute is not valid'),
  badXattrs(
    'long-name',
    'an attribute whose name has 256 bytes',
    pairs('n'.repeat(256), ''),
    'the name of an attribute is not valid',
  ),
  badXattrs('text', 'attributes that are text', encode(['user.a', 'b']), 'bytes were expected'),
  badXattrs(
    'trailing',
    'attributes and then something else',
    Buffer.concat([pairs('user.a', ''), Buffer.of(0)]),
    'something follows',
  ),
  badXattrs('array-huge', 'attributes that say that they are 2^32 − 1', HUGE_ARRAY, 'no value|cut off'),
  badXattrs(
    'cut-off',
    'attributes that end early',
    pairs('user.a', 'value').subarray(0, -2),
    'the attributes are cut off',
  ),
  badXattrs(
    'missing',
    'attributes whose blob is nowhere',
    () => ({ size: 2000, depth: 0, ids: Buffer.alloc(32, 7) }),
    'tree blob 0707',
    [...READERS, 'stats'],
  ),
  badXattrs(
    'size',
    'attributes that have more bytes than their reference says',
    (forge) => {
      const long = forge.attachment(encodeXattrs([{ name: name('user.long'), value: Buffer.alloc(3000) }]));
      return { ...long, size: 2000 } as Attachment;
    },
    'bytes together, not 2000',
  ),
  badXattrs(
    'too-long',
    'a reference to attributes of 16 MiB and a byte',
    (forge) => forge.content(Buffer.alloc(MAX + 1), 2),
    'an attachment is too long',
    ALL,
  ),
  badXattrs(
    'too-long-inside',
    'attributes of 1,025 bytes in the entry itself',
    () => pairs('user.a', Buffer.alloc(1013)),
    'an attachment is too long for an entry',
    ALL,
  ),
  {
    name: 'xattrs-of-folder',
    what: 'a folder whose attributes are damaged: what is in it is not',
    message: '/bad/folder: .*an attribute has no value',
    fails: READERS,
    restored: ['bad/folder', 'bad/folder/inside'],
    directory: (forge) => forge.directory({ ...directoryOf(forge, 'folder'), xattrs: pairs('user.a') }),
  },
];

function badHoles(
  called: string,
  what: string,
  runs: readonly number[] | Buffer,
  message: string,
  size = 2007,
): HostileCase {
  return {
    name: `holes-${called}`,
    what,
    message: `/bad/file: .*${message}`,
    fails: CONTENTS,
    directory: (forge) => {
      const bytes = Buffer.isBuffer(runs) ? runs : encode(runs);
      return forge.directory(file(forge, 'file', { size, holes: forge.attachment(bytes) }));
    },
  };
}

const NO_FIT = 'the holes do not fit the length of the file';

/** Files of seven bytes and a hole of 2,000. */
export const HOLES: readonly HostileCase[] = [
  badHoles('sum', 'holes that are longer together than the file', [7, 2001], NO_FIT),
  badHoles('stored', 'holes that leave room for fewer bytes than there are', [6, 2001], NO_FIT),
  badHoles('negative', 'a hole of −1 bytes', [8, -1], 'integer -1 is out of range'),
  badHoles('64-bit', 'a hole of 2^62 bytes', Buffer.concat([Buffer.from([0x92, 7]), HUGE_INT]), 'is out of range'),
  badHoles(
    'petabytes',
    'holes that are longer together than 2^53 bytes',
    [7, 2 ** 52, 1, 2 ** 52],
    'the file is too large',
  ),
  badHoles('no-bytes', 'a hole of no bytes', [3, 0, 4, 2000], 'a run of no bytes'),
  badHoles('array-huge', 'holes that say that they are 2^32 − 1', HUGE_ARRAY, 'the file has too many holes'),
  badHoles(
    'too-many',
    'a million and one runs of one byte',
    [0, ...new Array<number>(1_000_000).fill(1)],
    'the file has too many holes',
    1_000_000,
  ),
  badHoles('cut-off', 'holes that end early', Buffer.from([0x92, 7]), 'the list of holes is cut off'),
  badHoles('text', 'holes that are text', encode('holes'), 'an array was expected'),
  badHoles(
    'trailing',
    'holes and then something else',
    Buffer.concat([encode([7, 2000]), Buffer.of(0)]),
    'something follows',
  ),
  {
    name: 'holes-missing',
    what: 'holes whose blob is nowhere',
    message: '/bad/file: .*tree blob 0707',
    fails: PLACES,
    directory: (forge) =>
      forge.directory(file(forge, 'file', { size: 2007, holes: { size: 2000, depth: 0, ids: Buffer.alloc(32, 7) } })),
  },
  {
    name: 'holes-none',
    what: 'a file with holes that is as long as its content',
    message: '/bad(/[a-z]+)?: a file states two lengths',
    directory: (forge) => forge.directory(file(forge, 'file', { holes: encode([7]) })),
  },
  {
    name: 'holes-of-folder',
    what: 'a folder with holes',
    message: '/bad(/[a-z]+)?: holes where none can be',
    directory: (forge) => forge.directory({ ...directoryOf(forge, 'folder'), holes: encode([0, 7]) }),
  },
  {
    name: 'holes-of-link',
    what: 'a symbolic link with holes',
    message: '/bad(/[a-z]+)?: holes where none can be',
    directory: (forge) =>
      forge.directory({ name: name('link'), target: name('target'), size: 6, holes: encode([0, 6]) }),
  },
  {
    name: 'holes-of-petabytes',
    what: 'a file that is one hole of 2^53 − 1 bytes, which few file systems can hold',
    mayFail: ['restore'],
    message: '/bad/file: ',
    fails: [],
    endless: ['dump', 'zip'],
    directory: (forge) => {
      const size = 2 ** 53 - 1;
      const holes = new Layout([0, size]).encode();
      return forge.directory({ name: name('file'), content: forge.content(Buffer.alloc(0)), size, holes });
    },
  },
];
