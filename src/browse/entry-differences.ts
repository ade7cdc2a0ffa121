import type { Buffer } from 'node:buffer';
import type { Int64 } from '../bytes/int64.js';
import { type Attachment, isReference } from '../format/attachment.js';
import { sameReference } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';

function sameAttachment(a: Attachment | undefined, b: Attachment | undefined): boolean {
  if (isReference(a) || isReference(b)) return isReference(a) && isReference(b) && sameReference(a, b);
  return sameBytes(a, b);
}

function sameBytes(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

function sameNumbers(a: readonly Int64[] | undefined, b: readonly Int64[] | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.every((number, at) => number === b[at]);
}

/** Whether what two entries of a type hold is the same: of files the bytes and where the holes are, of links the target. */
export function sameContent(a: EntryReader, b: EntryReader): boolean {
  if (a.type === 'directory') return true;
  return sameReference(a.content, b.content) && sameAttachment(a.holes, b.holes) && sameBytes(a.target, b.target);
}

const SCALARS = [
  'mode',
  'uid',
  'gid',
  'user',
  'group',
  'mtimeSeconds',
  'mtimeNanoseconds',
  'ctimeSeconds',
  'ctimeNanoseconds',
  'size',
  'inode',
  'device',
  'links',
] as const;

/** Whether all that two entries of a type tell beside their content is the same. */
export function sameMetadata(a: EntryReader, b: EntryReader): boolean {
  return (
    SCALARS.every((field) => a[field] === b[field]) &&
    sameNumbers(a.rdev, b.rdev) &&
    sameNumbers(a.atime, b.atime) &&
    sameNumbers(a.btime, b.btime) &&
    sameAttachment(a.xattrs, b.xattrs)
  );
}
