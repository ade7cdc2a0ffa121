// Encodes headers of tar archives (POSIX.1-2001, pax).
// Which entries to write is left to dump.ts.

import { Buffer } from 'node:buffer';
import type { Entry, EntryType } from '../format/entry.js';
import type { Xattr } from '../format/xattrs.js';

const BLOCK = 512;
const NAME_BYTES = 100;
/** The largest numbers that fit in the octal digits of the fields. */
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;
const TYPE_FLAGS: Record<EntryType, string> = {
  file: '0',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  socket: '',
};
const HARD_LINK = '1';
const EXTENDED = 'x';

/** Two blocks of zeros, which end an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** A block that is neither a header nor an end. tar then reports that the archive is incomplete. */
export const TAR_INCOMPLETE: Buffer = Buffer.alloc(
  BLOCK,
  'This archive is not complete: varve could not read all of the snapshot.\n',
);

/** Whether tar can store the entry. It has no sockets, and its fields limit device numbers. */
export function fitsTar({ type, rdev }: Entry): boolean {
  if (type === 'character' || type === 'block') return rdev?.every((part) => part >= 0 && part <= MAX_ID) ?? false;
  return TYPE_FLAGS[type] !== '';
}

/** Whether a pax key can contain the attribute's name. The key ends with the first `=`. */
export function fitsPaxKey(name: Buffer): boolean {
  return !name.includes('=');
}

/**
 * Encodes the tar header of an entry. Names and targets are stored as bytes, and times with nanoseconds. Packages that write tar
 * treat names as text.
 *
 * @param path relative
 * @param linkTo the path of the entry to which this one is a hard link
 * @param xattrs all with names that fit in a key
 */
export function tarHeader(path: Buffer, entry: Entry, linkTo: Buffer | undefined, xattrs: readonly Xattr[]): Buffer {
  const name = entry.type === 'directory' ? Buffer.concat([path, Buffer.from('/')]) : path;
  const target = linkTo ?? entry.target;
  const size = entry.type === 'file' && linkTo === undefined ? entry.size : 0;
  const records = [...paxRecords(name, target, size, entry), ...xattrs.map(xattrRecord)];
  const flag = linkTo === undefined ? TYPE_FLAGS[entry.type] : HARD_LINK;
  const header = block({ entry, name, target, size, flag });
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const extended = { ...entry, mode: 0o644, user: '', group: '', rdev: undefined };
  const paxName = Buffer.concat([Buffer.from('PaxHeaders/'), path.subarray(-64)]);
  const paxHeader = block({ entry: extended, name: paxName, target: undefined, size: body.length, flag: EXTENDED });
  return Buffer.concat([paxHeader, body, tarPadding(body.length), header]);
}

/** Zeros up to the end of the file's last block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

function paxRecords(name: Buffer, target: Buffer | undefined, size: number, entry: Entry): Buffer[] {
  const records: Buffer[] = [];
  const add = (key: string, value: Buffer | string): void =>
    void records.push(paxRecord(Buffer.from(key), Buffer.from(value)));
  if (entry.mtimeNanoseconds !== 0 || entry.mtimeSeconds < 0 || entry.mtimeSeconds > MAX_SIZE)
    add('mtime', decimalTime(entry));
  if (name.length > NAME_BYTES || !isAscii(name)) add('path', name);
  if (target !== undefined && (target.length > NAME_BYTES || !isAscii(target))) add('linkpath', target);
  if (size > MAX_SIZE) add('size', String(size));
  if (entry.uid > MAX_ID) add('uid', String(entry.uid));
  if (entry.gid > MAX_ID) add('gid', String(entry.gid));
  if (!isAscii(Buffer.from(entry.user))) add('uname', entry.user);
  if (!isAscii(Buffer.from(entry.group))) add('gname', entry.group);
  return records;
}

/** Seconds with a fraction. Before 1970 the fraction counts backwards. */
function decimalTime({ mtimeSeconds, mtimeNanoseconds }: Entry): string {
  const backwards = mtimeSeconds < 0 && mtimeNanoseconds > 0;
  const seconds = BigInt(mtimeSeconds) + (backwards ? 1n : 0n);
  const nanoseconds = backwards ? 1e9 - mtimeNanoseconds : mtimeNanoseconds;
  return `${backwards && seconds === 0n ? '-' : ''}${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

/** The attribute's raw value, for ACLs too. It may be binary, unlike other records. */
const xattrRecord = ({ name, value }: Xattr): Buffer =>
  paxRecord(Buffer.concat([Buffer.from('SCHILY.xattr.'), name]), value);

const isAscii = (bytes: Buffer): boolean => bytes.every((byte) => byte < 0x80);

/** `LENGTH key=value\n`, where LENGTH counts its own digits. */
function paxRecord(key: Buffer, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(' '), key, Buffer.from('='), value, Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface Fields {
  readonly entry: Entry;
  readonly name: Buffer;
  readonly target: Buffer | undefined;
  readonly size: number;
  readonly flag: string;
}

function block({ entry, name, target, size, flag }: Fields): Buffer {
  const out = Buffer.alloc(BLOCK);
  const octal = (at: number, digits: number, value: number): void =>
    void out.write(Math.max(0, value).toString(8).padStart(digits, '0'), at, 'latin1');
  name.copy(out, 0, 0, NAME_BYTES);
  octal(100, 7, entry.mode);
  octal(108, 7, entry.uid > MAX_ID ? 0 : entry.uid);
  octal(116, 7, entry.gid > MAX_ID ? 0 : entry.gid);
  octal(124, 11, size > MAX_SIZE ? 0 : size);
  octal(136, 11, entry.mtimeSeconds > MAX_SIZE ? 0 : Number(entry.mtimeSeconds));
  out.fill(' ', 148, 156);
  out.write(flag, 156, 'latin1');
  target?.copy(out, 157, 0, NAME_BYTES);
  out.write('ustar\x0000', 257, 'latin1');
  Buffer.from(entry.user).copy(out, 265, 0, 31);
  Buffer.from(entry.group).copy(out, 297, 0, 31);
  octal(329, 7, entry.rdev?.[0] ?? 0);
  octal(337, 7, entry.rdev?.[1] ?? 0);
  const sum = out.reduce((total, byte) => total + byte, 0);
  out.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return out;
}
