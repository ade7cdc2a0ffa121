import { Buffer } from 'node:buffer';
import { encode } from '../../src/bytes/msgpack.js';
import { TREE } from '../../src/format/content.js';
import type { Entry } from '../../src/format/entry.js';
import {
  directoryOf,
  file,
  type HostileCase,
  HUGE_ARRAY,
  HUGE_BIN,
  HUGE_INT,
  HUGE_MAP,
  name,
  nested,
  rawDirectory,
  rawEntry,
} from './case.js';

const INVALID = '/bad: a name is not valid';

function badName(called: string, bytes: string | Buffer, what: string, type: 'file' | 'folder' = 'file'): HostileCase {
  const given = { name: Buffer.from(bytes) };
  return {
    name: `name-${called}`,
    what,
    message: INVALID,
    directory: (forge) =>
      forge.directory({ ...(type === 'file' ? file(forge, '') : directoryOf(forge, '')), ...given }),
  };
}

/** Names, and links that lead elsewhere. */
export const NAMES: readonly HostileCase[] = [
  badName('dot-dot', '..', 'a file called `..`'),
  badName('dot-dot-folder', '..', 'a folder called `..`, with a file in it', 'folder'),
  badName('dot', '.', 'a folder called `.`, with a file in it', 'folder'),
  badName('empty', '', 'a file without a name'),
  badName('slash', 'a/b', 'a file whose name has a slash'),
  badName('climbing', '../../outside/evil', 'a file whose name leads out of the target'),
  badName('absolute', '/tmp/varve-hostile', 'a file whose name is an absolute path'),
  badName('nul', 'a\0b', 'a file whose name has a zero byte'),
  badName('long', Buffer.alloc(65_536, 'n'), 'a file whose name has 65,536 bytes'),
  {
    name: 'name-too-long-here',
    what: 'a file whose name has 65,535 bytes: the format has room for it, no file system does',
    message: 'n: file name too long',
    fails: ['restore'],
    directory: (forge) => forge.directory(file(forge, 'n'.repeat(65_535))),
  },
  {
    name: 'name-twice',
    what: 'two files of one name',
    message: '/bad(/[a-z]+)?: names are out of order',
    restored: ['bad/same'],
    directory: (forge) => forge.directory(file(forge, 'same'), file(forge, 'same')),
  },
  {
    name: 'name-order',
    what: 'names in descending order',
    message: '/bad(/[a-z]+)?: names are out of order',
    restored: ['bad/b'],
    directory: (forge) => forge.directory(file(forge, 'b'), file(forge, 'a')),
  },
  {
    name: 'name-control',
    what: 'names that move the cursor, end the line, and turn the text around',
    restored: ['bad/\x1b[2J\r\nFatal: nothing', 'bad/\u202egpj.exe'],
    directory: (forge) => forge.directory(file(forge, '\x1b[2J\r\nFatal: nothing'), file(forge, '\u202egpj.exe')),
  },
  {
    name: 'name-control-damaged',
    what: 'a damaged folder whose name moves the cursor and ends the line',
    message: '/bad/\\\\x1b\\[2J\\\\nFatal: ok"?: a name is not valid',
    fails: ['restore', 'ls', 'dump', 'zip', 'stats'],
    restored: ['bad/\x1b[2J\nFatal: ok'],
    directory: (forge) =>
      forge.directory({
        name: name('\x1b[2J\nFatal: ok'),
        type: 'directory',
        content: forge.directory(file(forge, '..')),
      }),
  },
  {
    name: 'link-outside',
    what: 'symbolic links out of the target, which are nothing but links',
    restored: ['bad/absolute', 'bad/up'],
    directory: (forge) =>
      forge.directory(
        { name: name('absolute'), target: name('/etc/passwd') },
        { name: name('up'), target: name('../../outside') },
      ),
  },
  {
    name: 'link-then-file',
    what: 'a link to a file outside, then a file of the same name',
    message: '/bad(/[a-z]+)?: names are out of order',
    restored: ['bad/door'],
    directory: (forge) => forge.directory({ name: name('door'), target: name('../../precious') }, file(forge, 'door')),
  },
  {
    name: 'link-then-folder',
    what: 'a link to a folder outside, then a folder of the same name with a file in it',
    message: '/bad(/[a-z]+)?: names are out of order',
    restored: ['bad/door'],
    directory: (forge) =>
      forge.directory({ name: name('door'), target: name('../../outside') }, directoryOf(forge, 'door')),
  },
  {
    name: 'link-then-path',
    what: 'a link to a folder outside, then a file whose name goes through it',
    message: INVALID,
    restored: ['bad/door'],
    directory: (forge) =>
      forge.directory({ name: name('door'), target: name('../../outside') }, file(forge, 'door/evil')),
  },
  {
    name: 'hard-link-to-link',
    what: 'a link to a file outside, and a file that says that it is another name of it',
    restored: ['bad/a', 'bad/b'],
    directory: (forge) =>
      forge.directory(
        { name: name('a'), target: name('../../precious'), links: 2, inode: 7, device: 7 },
        file(forge, 'b', { links: 2, inode: 7, device: 7, mode: 0o777 }),
      ),
  },
  {
    name: 'hard-link-to-nothing',
    what: 'two names of a file of which a chunk is missing',
    message: '/bad/(a|b): .*(blob 0707|could not be restored)',
    fails: ['restore', 'dump', 'zip', 'stats'],
    directory: (forge) => {
      const content = { size: 7, depth: 0 as const, ids: Buffer.alloc(32, 7) };
      const twice: Partial<Entry> = { content, links: 2, inode: 7, device: 7 };
      return forge.directory(file(forge, 'a', twice), file(forge, 'b', twice));
    },
  },
  {
    name: 'file-setuid',
    what: 'a program that runs as root, which its owner may have wanted',
    restored: ['bad/root'],
    directory: (forge) => forge.directory(file(forge, 'root', { mode: 0o6755 })),
  },
  {
    name: 'device',
    what: 'a device of the memory of the system, that all may write to',
    mayFail: ['restore'],
    directory: (forge) => forge.directory({ name: name('memory'), type: 'character', rdev: [1, 1], mode: 0o666 }),
  },
  {
    name: 'device-huge-numbers',
    what: 'a device whose numbers no system has',
    message: '/bad(/device)?: integer 4503599627370496 is out of range',
    directory: (forge) => forge.directory({ name: name('device'), type: 'block', rdev: [2 ** 52, 2 ** 52] }),
  },
  {
    name: 'device-without-numbers',
    what: 'a device without its numbers',
    message: '/bad(/[a-z]+)?: a device without its numbers',
    directory: (forge) => forge.directory({ name: name('device'), type: 'character' }),
  },
];

/** Entries that are no entries. */
export const ENTRIES: readonly HostileCase[] = [
  {
    name: 'entry-type',
    what: 'an entry of no known type',
    message: '/bad(/[a-z]+)?: unknown entry type 9',
    directory: (forge) => rawDirectory(forge, { type: encode(9) }),
  },
  {
    name: 'entry-cut-off',
    what: 'a folder that ends amid an entry',
    message: '/bad: the last entry is cut off',
    directory: (forge) => forge.content(rawEntry(forge, {}).subarray(0, -5), TREE),
  },
  {
    name: 'entry-fields',
    what: 'an entry that says that it has 2^32 − 1 fields',
    message: '/bad: the last entry is cut off',
    directory: (forge) => forge.content(Buffer.concat([HUGE_ARRAY, rawEntry(forge, {}).subarray(1)]), TREE),
  },
  {
    name: 'entry-name-huge',
    what: 'a name that says that it has 2^32 − 1 bytes',
    message: '/bad: the last entry is cut off',
    directory: (forge) => rawDirectory(forge, { name: HUGE_BIN }),
  },
  {
    name: 'entry-endless',
    what: 'a name of gigabytes: the folder is the same blob over and over',
    message: '/bad: an entry is too long',
    directory: (forge) => {
      const begin = forge.content(Buffer.concat([Buffer.from([0x9e]), HUGE_BIN]), TREE);
      const block = forge.content(Buffer.alloc(forge.largestTreeBlob), TREE);
      const ids = Buffer.concat([begin.ids, ...new Array<Buffer>(8192).fill(block.ids)]);
      const list = forge.content(ids, TREE);
      return { size: begin.size + 8192 * block.size, depth: 1, ids: list.ids };
    },
  },
  {
    name: 'entry-extra-huge',
    what: 'a map that says that it has 2^32 − 1 keys',
    message: '/bad: the last entry is cut off',
    directory: (forge) => rawDirectory(forge, { extra: HUGE_MAP }),
  },
  {
    name: 'entry-extra-nested',
    what: 'an unknown key with 5,000 arrays inside one another',
    message: '/bad(/[a-z]+)?: it nests too deeply',
    directory: (forge) =>
      rawDirectory(forge, { extra: Buffer.concat([Buffer.from([0x81]), encode('later'), nested(5000)]) }),
  },
  {
    name: 'entry-extra-extension',
    what: 'an unknown key with a type that the format does not have',
    message: '/bad(/[a-z]+)?: MessagePack type 0xd6 is not allowed',
    directory: (forge) =>
      rawDirectory(forge, {
        extra: Buffer.concat([Buffer.from([0x81]), encode('later'), Buffer.from('d60100000000', 'hex')]),
      }),
  },
  {
    name: 'time-64-bit',
    what: 'a time of 2^62 seconds, which is a time nevertheless',
    restored: ['bad/raw'],
    directory: (forge) => rawDirectory(forge, { mtime: HUGE_INT }),
  },
  {
    name: 'time-nanoseconds',
    what: 'a time with a thousand million nanoseconds',
    message: '/bad(/[a-z]+)?: integer 1000000000 is out of range',
    directory: (forge) => rawDirectory(forge, { nanoseconds: encode(1_000_000_000) }),
  },
  {
    name: 'time-of-access',
    what: 'a time of the last access with a million million nanoseconds',
    message: '/bad(/[a-z]+)?: integer 1000000000000 is out of range',
    directory: (forge) => forge.directory(file(forge, 'file', { atime: [0, 1e12] })),
  },
  {
    name: 'time-ages',
    what: 'times hundreds of millions of years away, which are times nevertheless',
    restored: ['bad/future', 'bad/past'],
    directory: (forge) =>
      forge.directory(
        file(forge, 'future', { mtimeSeconds: 2 ** 53 - 1, ctimeSeconds: 2 ** 53 - 1 }),
        file(forge, 'past', { mtimeSeconds: -(2 ** 53 - 1), mtimeNanoseconds: 1 }),
      ),
  },
];
