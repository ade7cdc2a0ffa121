import { Buffer } from 'node:buffer';
import type { Entry, EntryType } from '../format/entry.js';
import type { Xattr } from '../format/xattrs.js';

const BLOCK = 512;
const NAME_BYTES = 100;
/** The largest number of each field's octal digits. */
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

/** Two blocks of zeros end an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** A block that is neither a header nor the end of an archive: tar then reports that the archive was not finished. */
export const TAR_BROKEN: Buffer = Buffer.alloc(
  BLOCK,
  'This archive is not complete: varve could not read all of the snapshot.\n',
);

/** Whether tar has such a thing: it has no sockets, and no devices with larger numbers than its fields. */
export function fitsTar({ type, rdev }: Entry): boolean {
  if (type === 'character' || type === 'block') return rdev?.every((part) => part >= 0 && part <= MAX_ID) ?? false;
  return TYPE_FLAGS[type] !== '';
}

/** Whether an attribute's name can be part of the key of an extended record, which ends with the first `=`. */
export function fitsPaxKey(name: Buffer): boolean {
  return !name.includes('=');
}

/**
 * A tar header (POSIX.1-2001, pax) for an entry. Names and targets are bytes as they were, and times have their
 * nanoseconds: packages that write tar take names for text.
 *
 * @param path relative
 * @param linkTo the path of the entry that this one is another name of
 * @param xattrs their names must be fit for keys
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

/** What fills a file's last block. */
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

/** Seconds with a fraction; before 1970 it counts backwards. */
function decimalTime({ mtimeSeconds, mtimeNanoseconds }: Entry): string {
  const backwards = mtimeSeconds < 0 && mtimeNanoseconds > 0;
  const seconds = BigInt(mtimeSeconds) + (backwards ? 1n : 0n);
  const nanoseconds = backwards ? 1e9 - mtimeNanoseconds : mtimeNanoseconds;
  return `${backwards && seconds === 0n ? '-' : ''}${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

/** The value is the system's own, ACLs too: text, as in other records, it cannot always be. */
const xattrRecord = ({ name, value }: Xattr): Buffer =>
  paxRecord(Buffer.concat([Buffer.from('SCHILY.xattr.'), name]), value);

const isAscii = (bytes: Buffer): boolean => bytes.every((byte) => byte < 0x80);

/** `LENGTH key=value\n`, the length counting itself. */
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
