// Entries as JSON, as restic's ls and find print them.
// node-line.ts has the form for people.
import type { Buffer } from 'node:buffer';
import type { Entry, EntryType } from '../../format/entry.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { isText, lossyText } from '../text/escape.js';
import { rfc3339 } from '../text/time.js';

/** Bits of Go's os.FileMode. */
const GO_TYPE_BITS: Record<EntryType, number> = {
  file: 0,
  directory: 2 ** 31,
  symlink: 2 ** 27,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  block: 2 ** 26,
  character: 2 ** 26 + 2 ** 21,
};
const GO_SETUID = 2 ** 23;
const GO_SETGID = 2 ** 22;
const GO_STICKY = 2 ** 20;
/** One letter for each bit from the highest down. */
const GO_LETTERS = 'dalTLDpSugct?';

const TYPES: Record<EntryType, string> = {
  file: 'file',
  directory: 'dir',
  symlink: 'symlink',
  fifo: 'fifo',
  socket: 'socket',
  block: 'dev',
  character: 'chardev',
};

/** Go's os.FileMode, as in restic's JSON. */
export function goMode(type: EntryType, mode: number): number {
  const special = (mode & 0o4000 ? GO_SETUID : 0) + (mode & 0o2000 ? GO_SETGID : 0) + (mode & 0o1000 ? GO_STICKY : 0);
  return GO_TYPE_BITS[type] + special + (mode & 0o777);
}

/** As Go prints a mode: `drwxr-xr-x`. */
export function permissions(type: EntryType, mode: number): string {
  const value = goMode(type, mode);
  let letters = '';
  for (const [at, letter] of [...GO_LETTERS].entries())
    if (Math.floor(value / 2 ** (31 - at)) % 2 === 1) letters += letter;
  const bits = [...'rwxrwxrwx'].map((letter, at) => ((mode >> (8 - at)) & 1 ? letter : '-'));
  return (letters || '-') + bits.join('');
}

/**
 * An entry as in restic's `ls --json`, built as text because an inode number can be too large for JSON.stringify. A name that is not UTF-8
 * loses bytes in `name` and `path`; `path_raw` (base64) then has all bytes.
 */
export function nodeJson(path: Buffer, entry: Entry | EntryReader): string {
  const { name, type, uid, gid, size, mode, inode } = entry;
  const { mtime, atime, ctime } = times(entry);
  const names = `"name":${JSON.stringify(lossyText(name))},"type":"${TYPES[type]}",${pathJson(path)}`;
  const modes = `"mode":${goMode(type, mode)},"permissions":"${permissions(type, mode)}"`;
  const bytes = type === 'file' ? `"size":${size},` : '';
  const stamps = `"atime":"${atime}","mtime":"${mtime}","ctime":"${ctime}"`;
  return `{"message_type":"node",${names},"uid":${uid},"gid":${gid},${bytes}${modes},${stamps},"inode":${inode},"struct_type":"node"}`;
}

/** An entry as in restic's `find --json`, built like `nodeJson`. */
export function matchJson(path: Buffer, entry: Entry | EntryReader): string {
  const { name, type, uid, gid, user, group, size, mode, inode, device, links, target } = entry;
  const { mtime, atime, ctime } = times(entry);
  const fields = [
    pathJson(path),
    `"permissions":"${permissions(type, mode)}","name":${JSON.stringify(lossyText(name))},"type":"${TYPES[type]}"`,
    `"mode":${goMode(type, mode)},"mtime":"${mtime}","atime":"${atime}","ctime":"${ctime}","uid":${uid},"gid":${gid}`,
    `"user":${JSON.stringify(user)},"group":${JSON.stringify(group)},"inode":${inode},"device_id":${device}`,
  ];
  if (type === 'file') fields.push(`"size":${size}`);
  if (type !== 'directory') fields.push(`"links":${links}`);
  if (target !== undefined) fields.push(bytesJson('linktarget', target));
  return `{${fields.join(',')}}`;
}

function times(entry: Entry | EntryReader): { mtime: string; atime: string; ctime: string } {
  const mtime = rfc3339({ seconds: entry.mtimeSeconds, nanoseconds: entry.mtimeNanoseconds });
  const atime = entry.atime === undefined ? mtime : rfc3339({ seconds: entry.atime[0], nanoseconds: entry.atime[1] });
  return { mtime, atime, ctime: rfc3339({ seconds: entry.ctimeSeconds, nanoseconds: entry.ctimeNanoseconds }) };
}

/** A path as JSON, with `path_raw` (base64) when it is not UTF-8. */
export function pathJson(path: Buffer): string {
  return bytesJson('path', path);
}

function bytesJson(key: string, bytes: Buffer): string {
  const raw = isText(bytes) ? '' : `,"${key}_raw":"${bytes.toString('base64')}"`;
  return `"${key}":${JSON.stringify(lossyText(bytes))}${raw}`;
}
