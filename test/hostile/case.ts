import { Buffer } from 'node:buffer';
import { encode } from '../../src/bytes/msgpack.js';
import { type ContentRef, TREE } from '../../src/format/content.js';
import type { Entry } from '../../src/format/entry.js';
import type { Snapshot } from '../../src/format/snapshot.js';
import type { Forge } from '../restore/crafted.js';

export type Command = 'restore' | 'ls' | 'dump' | 'zip' | 'cat' | 'stats';

/** All that reads trees. */
export const ALL: readonly Command[] = ['restore', 'ls', 'dump', 'zip', 'cat', 'stats'];
/** What reads the contents of files. */
export const CONTENTS: readonly Command[] = ['restore', 'dump', 'zip'];
/** What needs to know where they are. */
export const PLACES: readonly Command[] = ['restore', 'dump', 'zip', 'stats'];

/** A repository that was made with a key and no good in mind, and what becomes of who reads it. */
export interface HostileCase {
  /** Of its directory. */
  readonly name: string;
  readonly what: string;
  /** A regular expression: what those commands say that fail. */
  readonly message?: string;
  /** Those that end with exit code 1: all when there is a message, else none. */
  readonly fails?: readonly Command[];
  /** Those that fail on some systems, or for some users. */
  readonly mayFail?: readonly Command[];
  /** Those that would never end, as what they write is as long as the snapshot says. */
  readonly endless?: readonly Command[];
  /** What a restore makes besides the directories `bad` and `good` and the file in that; null where even these are not to be had. */
  readonly restored?: readonly string[] | null;
  /** Makes the directory `bad`. */
  readonly directory?: (forge: Forge) => ContentRef;
  /** Or the whole tree. */
  readonly root?: (forge: Forge) => ContentRef;
  /** The payload of the snapshot, when it is another than it should be. */
  readonly snapshot?: (snapshot: Snapshot) => Buffer;
  /** The payload of a further index object. */
  readonly index?: Buffer;
}

export const name = (text: string): Buffer => Buffer.from(text);

/** A file of a few bytes. */
export function file(forge: Forge, called: string, more: Partial<Entry> = {}): Partial<Entry> {
  return { name: name(called), content: forge.content(Buffer.from('content')), ...more };
}

/** A directory with a file in it. */
export function directoryOf(forge: Forge, called: string, inside = 'inside'): Partial<Entry> {
  return { name: name(called), type: 'directory', content: forge.directory(file(forge, inside)) };
}

/** The snapshot's tree: what is bad, beside what is to be there however bad it is. */
export function rootOf(forge: Forge, bad: ContentRef): ContentRef {
  return forge.directory({ name: name('bad'), type: 'directory', content: bad }, directoryOf(forge, 'good', 'kept'));
}

/** The fields of an entry of SPEC.md section 11, each encoded already. */
export interface RawFields {
  readonly name?: Buffer;
  readonly type?: Buffer;
  readonly mtime?: Buffer;
  readonly nanoseconds?: Buffer;
  readonly size?: Buffer;
  readonly content?: Buffer;
  readonly extra?: Buffer;
}

/** A directory of one entry whose fields are what they are. */
export function rawDirectory(forge: Forge, fields: RawFields): ContentRef {
  return forge.content(rawEntry(forge, fields), TREE);
}

export function rawEntry(forge: Forge, fields: RawFields): Buffer {
  const { size, depth, ids } = forge.content(Buffer.from('content'));
  return Buffer.concat([
    Buffer.from([0x9e]),
    fields.name ?? encode(name('raw')),
    fields.type ?? encode(1),
    ...[0o644, 0, 0, '', ''].map(encode),
    fields.mtime ?? encode(1_000_000_000),
    fields.nanoseconds ?? encode(0),
    ...[1_000_000_000, 0].map(encode),
    fields.size ?? encode(size),
    fields.content ?? encode([size, depth, ids]),
    fields.extra ?? encode({}),
  ]);
}

/** MessagePack's largest claims: an array, a map, bytes of 2^32 − 1. */
export const HUGE_ARRAY = Buffer.from('ddffffffff', 'hex');
export const HUGE_MAP = Buffer.from('dfffffffff', 'hex');
export const HUGE_BIN = Buffer.from('c6ffffffff', 'hex');
/** 2^62 */
export const HUGE_INT = Buffer.from('cf4000000000000000', 'hex');

/** Arrays inside one another. */
export const nested = (depth: number): Buffer => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
