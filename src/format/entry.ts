// The fields of an entry, and their encoding (SPEC.md section 11).
// entry-reader.ts decodes.
import type { Buffer } from 'node:buffer';
import type { Int64 } from '../bytes/int64.js';
import type { MessagePackWriter } from '../bytes/writer.js';
import { type Attachment, isReference } from './attachment.js';
import type { ContentRef } from './content.js';

export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block';

/** The first is number 1. */
export const TYPES: readonly EntryType[] = ['file', 'directory', 'symlink', 'fifo', 'socket', 'character', 'block'];
/** Of the array that an entry is. */
export const FIELDS = 14;

/** The result of lstat, in the terms of the format. Times are seconds and nanoseconds since 1970. */
export interface EntryStat {
  readonly type: EntryType;
  /** Permission bits with setuid, setgid, sticky: 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: Int64;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: Int64;
  readonly ctimeNanoseconds: number;
  /** Bytes; 0 for directories. */
  readonly size: number;
  readonly inode: Int64;
  readonly device: Int64;
  readonly links: number;
}

/** One entry of a directory (SPEC.md section 11). */
export interface Entry extends EntryStat {
  readonly name: Buffer;
  readonly user: string;
  readonly group: string;
  /** Of files and directories. */
  readonly content: ContentRef | undefined;
  /** Of symlinks. */
  readonly target: Buffer | undefined;
  /** `[major, minor]` of a device. */
  readonly rdev: readonly [number, number] | undefined;
  readonly atime: readonly [seconds: Int64, nanoseconds: number] | undefined;
  /** When the file was made, if the file system records it. */
  readonly btime: readonly [seconds: Int64, nanoseconds: number] | undefined;
  /** Extended attributes: `decodeXattrs`. Undefined when there are none. */
  readonly xattrs: Attachment | undefined;
  /** The `Layout` of a file with holes; then `content` is the data between the holes. */
  readonly holes: Attachment | undefined;
}

/** A directory without metadata: only its name and its content are known. */
export function bareDirectory(name: Buffer, content: ContentRef): Entry {
  return {
    name,
    type: 'directory',
    mode: 0,
    uid: 0,
    gid: 0,
    user: '',
    group: '',
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    ctimeSeconds: 0,
    ctimeNanoseconds: 0,
    size: 0,
    inode: 0,
    device: 0,
    links: 1,
    content,
    target: undefined,
    rdev: undefined,
    atime: undefined,
    btime: undefined,
    xattrs: undefined,
    holes: undefined,
  };
}

/** Appends the entry's encoding. */
export function writeEntry(out: MessagePackWriter, entry: Entry): void {
  out.array(FIELDS);
  out.bin(entry.name);
  out.int(TYPES.indexOf(entry.type) + 1);
  out.int(entry.mode);
  out.int(entry.uid);
  out.int(entry.gid);
  out.str(entry.user);
  out.str(entry.group);
  out.int(entry.mtimeSeconds);
  out.int(entry.mtimeNanoseconds);
  out.int(entry.ctimeSeconds);
  out.int(entry.ctimeNanoseconds);
  out.int(entry.size);
  if (entry.content !== undefined) writeContent(out, entry.content);
  else if (entry.target !== undefined) out.bin(entry.target);
  else out.nil();
  writeExtra(out, entry);
}

function writeExtra(out: MessagePackWriter, entry: Entry): void {
  const links = entry.links > 1 && entry.type !== 'directory';
  const optional = [links, entry.atime, entry.rdev, entry.btime, entry.xattrs, entry.holes];
  let count = 2;
  for (const each of optional) if (each) count++;
  out.map(count);
  out.str('ino');
  out.int(entry.inode);
  out.str('dev');
  out.int(entry.device);
  if (links) {
    out.str('links');
    out.int(entry.links);
  }
  if (entry.atime) writePair(out, 'atime', entry.atime);
  if (entry.rdev) writePair(out, 'rdev', entry.rdev);
  if (entry.btime) writePair(out, 'btime', entry.btime);
  if (entry.xattrs) writeAttachment(out, 'xattrs', entry.xattrs);
  if (entry.holes) writeAttachment(out, 'holes', entry.holes);
}

function writeAttachment(out: MessagePackWriter, key: string, attachment: Attachment): void {
  out.str(key);
  if (isReference(attachment)) writeContent(out, attachment);
  else out.bin(attachment);
}

function writePair(out: MessagePackWriter, key: string, [first, second]: readonly [Int64, number]): void {
  out.str(key);
  out.array(2);
  out.int(first);
  out.int(second);
}

function writeContent(out: MessagePackWriter, content: ContentRef): void {
  out.array(3);
  out.int(content.size);
  out.int(content.depth);
  out.bin(content.ids);
}
