// Whether two entries have the same content or the same metadata.
// What a difference means is left to diff.ts.

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

/** Compares the content of two entries of one type: a file's bytes and holes, a link's target. */
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

/** Compares everything but the content of two entries of one type. */
export function sameMetadata(a: EntryReader, b: EntryReader): boolean {
  return (
    SCALARS.every((field) => a[field] === b[field]) &&
    sameNumbers(a.rdev, b.rdev) &&
    sameNumbers(a.atime, b.atime) &&
    sameNumbers(a.btime, b.btime) &&
    sameAttachment(a.xattrs, b.xattrs)
  );
}
