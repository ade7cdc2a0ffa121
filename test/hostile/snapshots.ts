import { Buffer } from 'node:buffer';
import { encode } from '../../src/bytes/msgpack.js';
import { encodeSnapshot } from '../../src/format/snapshot.js';
import { file, type HostileCase, HUGE_ARRAY, HUGE_MAP, nested } from './case.js';

function badPayload(called: string, what: string, payload: Buffer, message: string): HostileCase {
  return {
    name: `snapshot-${called}`,
    what,
    message: `snapshots/\\w+: ${message}`,
    root: (forge) => forge.directory(file(forge, 'file')),
    snapshot: () => payload,
  };
}

/** Snapshots, and what is at their root. */
export const SNAPSHOTS: readonly HostileCase[] = [
  {
    name: 'root-is-a-file',
    what: 'a snapshot whose root is the content of a file',
    message: '/: tree blob \\w+ is in no pack',
    root: (forge) => forge.content(Buffer.from('content')),
  },
  {
    name: 'root-missing',
    what: 'a snapshot whose root is nowhere',
    message: '/: tree blob 0707\\w+ is in no pack',
    root: () => ({ size: 100, depth: 0, ids: Buffer.alloc(32, 7) }),
  },
  badPayload('array-huge', 'a snapshot that says that it is an array of 2^32 − 1', HUGE_ARRAY, 'it ends too early'),
  badPayload('map-huge', 'a snapshot that says that it is a map of 2^32 − 1', HUGE_MAP, 'it ends too early'),
  badPayload('nested', 'a snapshot of a million arrays inside one another', nested(1_000_000), 'it nests too deeply'),
  badPayload(
    'extension',
    'a snapshot of a type that the format does not have',
    Buffer.from('d6ff00000000', 'hex'),
    'MessagePack type 0xd6',
  ),
  badPayload('values', 'a snapshot of 60 million empty arrays', many(60_000_000), 'it has too many values'),
  badPayload('empty', 'a snapshot of nothing', encode({}), 'an? \\w+ expected|expected'),
  {
    name: 'snapshot-texts',
    what: 'a snapshot whose host, user, paths and tags move the cursor and end the line',
    restored: ['bad/file'],
    directory: (forge) => forge.directory(file(forge, 'file')),
    snapshot: (snapshot) => {
      const text = '\x1b[2J\r\nFatal: \u202e';
      return encodeSnapshot({ ...snapshot, host: text, user: text, tags: [text], paths: [Buffer.from(`/${text}`)] });
    },
  },
  {
    name: 'snapshot-time',
    what: 'a snapshot made in a year that no calendar has',
    restored: ['bad/file'],
    directory: (forge) => forge.directory(file(forge, 'file')),
    snapshot: (snapshot) => encodeSnapshot({ ...snapshot, time: { seconds: 2 ** 53 - 1, nanoseconds: 999_999_999 } }),
  },
];

function many(count: number): Buffer {
  const bytes = Buffer.alloc(count + 5, 0x90);
  bytes.writeUInt8(0xdd);
  bytes.writeUInt32BE(count, 1);
  return bytes;
}
