import { Buffer } from 'node:buffer';
import { encode } from '../../src/bytes/msgpack.js';
import { type ContentRef, TREE } from '../../src/format/content.js';
import type { Forge } from '../restore/crafted.js';
import { CONTENTS, file, type HostileCase, HUGE_INT, name, PLACES, rawDirectory } from './case.js';

/** A file of four bytes that says that it has others. */
const lying = (forge: Forge, size: number): ContentRef =>
  forge.directory(file(forge, 'file', { content: { ...forge.content(Buffer.from('four')), size } }));

/** A file of these chunks, by a list. */
function listed(forge: Forge, ids: Buffer, size: number): ContentRef {
  const list = forge.content(ids, TREE);
  return forge.directory(file(forge, 'file', { content: { size, depth: 1, ids: list.ids } }));
}

const missing = Buffer.alloc(32, 7);

/** Contents that are not what they are said to be. */
export const CONTENT: readonly HostileCase[] = [
  {
    name: 'size-too-large',
    what: 'a file that says that it has more bytes than its chunks',
    message: '/bad/file: its chunks have 4 bytes together, not 5000',
    fails: CONTENTS,
    directory: (forge) => lying(forge, 5000),
  },
  {
    name: 'size-too-small',
    what: 'a file that says that it has fewer bytes than its chunks',
    message: '/bad/file: its chunks have 4 bytes together, not 3',
    fails: CONTENTS,
    directory: (forge) => lying(forge, 3),
  },
  {
    name: 'size-of-petabytes',
    what: 'a file that says that it has 2^53 − 1 bytes',
    message: '/bad/file: its chunks have 4 bytes together, not 9007199254740991',
    fails: CONTENTS,
    directory: (forge) => lying(forge, 2 ** 53 - 1),
  },
  {
    name: 'size-64-bit',
    what: 'a file of 2^62 bytes',
    message: '/bad(/[a-z]+)?: integer 4611686018427387904 is out of range',
    directory: (forge) => rawDirectory(forge, { size: HUGE_INT }),
  },
  {
    name: 'size-negative',
    what: 'a file of −1 bytes',
    message: '/bad(/[a-z]+)?: integer -1 is out of range',
    directory: (forge) => rawDirectory(forge, { size: encode(-1) }),
  },
  {
    name: 'size-two',
    what: 'an entry and its content that state two lengths',
    message: '/bad(/[a-z]+)?: a file states two lengths',
    directory: (forge) => rawDirectory(forge, { size: encode(6) }),
  },
  {
    name: 'size-of-folder',
    what: 'a folder that says that its entries have fewer bytes than they have',
    message: '/bad: its chunks have \\d+ bytes together, not 10',
    directory: (forge) => ({ ...forge.directory(file(forge, 'file')), size: 10 }),
  },
  {
    name: 'chunk-missing',
    what: 'a file of which a chunk is nowhere',
    message: '/bad/file: data blob 0707\\w+ is in no pack',
    fails: PLACES,
    directory: (forge) => forge.directory(file(forge, 'file', { content: { size: 4, depth: 0, ids: missing } })),
  },
  {
    name: 'folder-missing',
    what: 'a folder whose entries are nowhere',
    message: '/bad/folder: tree blob 0707\\w+ is in no pack',
    fails: ['restore', 'ls', 'dump', 'zip', 'stats'],
    restored: ['bad/folder'],
    directory: (forge) =>
      forge.directory({ name: name('folder'), type: 'directory', content: { size: 4, depth: 0, ids: missing } }),
  },
  {
    name: 'folder-of-data',
    what: 'a folder whose entries are the content of a file',
    message: '/bad: tree blob \\w+ is in no pack',
    directory: (forge) => forge.content(Buffer.from('content')),
  },
  {
    name: 'file-of-entries',
    what: 'a file whose content is the entries of a folder',
    message: '/bad/file: data blob \\w+ is in no pack',
    fails: PLACES,
    directory: (forge) => forge.directory(file(forge, 'file', { content: forge.directory(file(forge, 'inside')) })),
  },
  {
    name: 'list-cut-off',
    what: 'a list of chunks that ends amid an id',
    message: '/bad/file: a list of blobs is cut off',
    fails: PLACES,
    directory: (forge) =>
      listed(forge, Buffer.concat([forge.content(Buffer.from('content')).ids, Buffer.from('x')]), 7),
  },
  {
    name: 'list-missing',
    what: 'a list of chunks that is nowhere',
    message: '/bad/file: tree blob 0707\\w+ is in no pack',
    fails: PLACES,
    directory: (forge) => forge.directory(file(forge, 'file', { content: { size: 7, depth: 1, ids: missing } })),
  },
  {
    name: 'list-of-gigabytes',
    what: 'a list of 2^27 chunks for a file of 100 bytes: the same blob of ids over and over',
    message: '/bad/file: it has more chunks than its 100 bytes',
    fails: PLACES,
    directory: (forge) => {
      const [id] = [forge.content(Buffer.from('content')).ids];
      const block = forge.content(Buffer.concat(new Array<Buffer>(forge.largestTreeBlob / 32).fill(id)), TREE);
      const ids = Buffer.concat(new Array<Buffer>(Math.ceil(2 ** 32 / block.size)).fill(block.ids));
      return forge.directory(file(forge, 'file', { content: { size: 100, depth: 1, ids } }));
    },
  },
  {
    name: 'depth-of-content',
    what: 'a list of lists of chunks',
    message: '/bad(/[a-z]+)?: a content reference is not valid',
    directory: (forge) => rawDirectory(forge, { content: encode([7, 2, missing]) }),
  },
  {
    name: 'ids-cut-off',
    what: 'a content reference that ends amid an id',
    message: '/bad(/[a-z]+)?: a content reference is not valid',
    directory: (forge) => rawDirectory(forge, { content: encode([7, 0, missing.subarray(1)]) }),
  },
];
