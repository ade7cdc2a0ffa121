import type { Buffer } from 'node:buffer';
import type { Entry, EntryType } from '../format/entry.js';
import type { EntryReader } from '../format/entry-reader.js';
import { isText, lossyText } from './text/escape.js';
import { rfc3339 } from './text/time.js';

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

/** Go's os.FileMode, which is what restic's JSON has. */
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
 * An entry as restic's `ls --json` has it, as text: an inode number can be larger than JSON.stringify can write. A name that is not UTF-8 loses
 * bytes in `name` and `path`; `path_raw` (base64) is then there besides.
 */
export function nodeJson(path: Buffer, entry: Entry | EntryReader): string {
  const { name, type, uid, gid, size, mode, inode } = entry;
  const mtime = rfc3339({ seconds: entry.mtimeSeconds, nanoseconds: entry.mtimeNanoseconds });
  const atime = entry.atime === undefined ? mtime : rfc3339({ seconds: entry.atime[0], nanoseconds: entry.atime[1] });
  const ctime = rfc3339({ seconds: entry.ctimeSeconds, nanoseconds: entry.ctimeNanoseconds });
  const raw = isText(path) ? '' : `,"path_raw":"${path.toString('base64')}"`;
  const names = `"name":${JSON.stringify(lossyText(name))},"type":"${TYPES[type]}","path":${JSON.stringify(lossyText(path))}${raw}`;
  const modes = `"mode":${goMode(type, mode)},"permissions":"${permissions(type, mode)}"`;
  const bytes = type === 'file' ? `"size":${size},` : '';
  const times = `"atime":"${atime}","mtime":"${mtime}","ctime":"${ctime}"`;
  return `{"message_type":"node",${names},"uid":${uid},"gid":${gid},${bytes}${modes},${times},"inode":${inode},"struct_type":"node"}`;
}
