// Reads and writes extended attributes.
// format/xattrs.ts encodes them.
import { Buffer } from 'node:buffer';
import { compareBytes } from '../bytes/views.js';
import { errnoCode } from '../errors/errors.js';
import type { Xattr } from '../format/xattrs.js';
import { CString, type Libc, libc, systemError } from './libc.js';
import { pathAt } from './posix.js';

/** Where attributes are: an open file or directory, or a name in an open directory (a link itself, not what it points to). */
export type XattrPlace = number | { readonly directory: number; readonly name: Buffer };

const ERANGE = 34;
/** The kernel's limit in bytes, for all names and for one value. */
const MAX_BYTES = 64 * 1024;

const path = new CString();
const text = new CString();
let area = Buffer.alloc(4096);
const NONE: readonly Xattr[] = [];

/**
 * The attributes, in byte order of name; none where the file system has none, or where libc is out of reach.
 *
 * @throws what a system call fails with; an attribute that is removed during the call is left out
 */
export function readXattrs(place: XattrPlace): readonly Xattr[] {
  const c = libc();
  // Nearly all files have none: one call shows that.
  if (c === undefined || (typeof place === 'number' && c.flistxattr(place, area, area.length) === 0)) return NONE;
  const xattrs: Xattr[] = [];
  for (const name of listXattrs(place)) {
    const value = getXattr(c, place, name);
    if (value !== undefined) xattrs.push({ name, value });
  }
  return xattrs;
}

/** Their names, in byte order. */
export function listXattrs(place: XattrPlace): Buffer[] {
  const c = libc();
  if (c === undefined) return [];
  const length = fill(c, 'listxattr', place, (into) =>
    typeof place === 'number'
      ? c.flistxattr(place, into, into.length)
      : c.llistxattr(pathOf(place, 'listxattr'), into, into.length),
  );
  return length === undefined || length === 0 ? [] : splitNames(Buffer.from(area.subarray(0, length)));
}

/** Sets an attribute, new or existing. */
export function setXattr(place: XattrPlace, { name, value }: Xattr): void {
  const c = loaded(place);
  const result =
    typeof place === 'number'
      ? c.fsetxattr(place, text.of(name, 'setxattr'), value, value.length, 0)
      : c.lsetxattr(pathOf(place, 'setxattr'), text.of(name, 'setxattr'), value, value.length, 0);
  if (result < 0) throw systemError(c.errno(), 'setxattr', name);
}

export function removeXattr(place: XattrPlace, name: Buffer): void {
  const c = loaded(place);
  const result =
    typeof place === 'number'
      ? c.fremovexattr(place, text.of(name, 'removexattr'))
      : c.lremovexattr(pathOf(place, 'removexattr'), text.of(name, 'removexattr'));
  if (result < 0) throw systemError(c.errno(), 'removexattr', name);
}

function getXattr(c: Libc, place: XattrPlace, name: Buffer): Buffer | undefined {
  const length = fill(c, 'getxattr', place, (into) =>
    typeof place === 'number'
      ? c.fgetxattr(place, text.of(name, 'getxattr'), into, into.length)
      : c.lgetxattr(pathOf(place, 'getxattr'), text.of(name, 'getxattr'), into, into.length),
  );
  return length === undefined ? undefined : Buffer.from(area.subarray(0, length));
}

/** Has `area` filled, which grows when it is too short. @returns undefined when the file has no such attribute */
function fill(c: Libc, syscall: string, place: XattrPlace, read: (into: Buffer) => number): number | undefined {
  for (;;) {
    const length = read(area);
    if (length >= 0) return length;
    const errno = c.errno();
    if (errno === ERANGE && area.length < MAX_BYTES) {
      area = Buffer.alloc(MAX_BYTES);
      continue;
    }
    const error = systemError(errno, syscall, typeof place === 'number' ? undefined : place.name);
    if (['ENOTSUP', 'EOPNOTSUPP', 'ENODATA', 'ENOSYS'].includes(errnoCode(error) ?? '')) return undefined;
    throw error;
  }
}

const pathOf = (place: Exclude<XattrPlace, number>, syscall: string): Buffer =>
  path.of(pathAt(place.directory, place.name), syscall);

function loaded(place: XattrPlace): Libc {
  const c = libc();
  if (c === undefined) throw systemError(38, 'setxattr', typeof place === 'number' ? undefined : place.name);
  return c;
}

function splitNames(bytes: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    const stop = end < 0 ? bytes.length : end;
    if (stop > at) names.push(bytes.subarray(at, stop));
    at = stop + 1;
  }
  return names.sort(compareBytes);
}
