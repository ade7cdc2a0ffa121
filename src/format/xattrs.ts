// The encoding of extended attributes (SPEC.md section 11).
// attachment.ts decides where they are stored.
import { Buffer } from 'node:buffer';
import { ENDS_EARLY, MessagePackReader } from '../bytes/reader.js';
import { MessagePackWriter } from '../bytes/writer.js';
import { MAX_ATTACHMENT } from './attachment.js';

/** An extended attribute. POSIX ACLs and file capabilities are such. */
export interface Xattr {
  /** With its namespace, such as `user.comment`; any bytes but NUL. */
  readonly name: Buffer;
  readonly value: Buffer;
}

const MAX_NAME = 255;

/** Attributes as one attachment; in byte order of name, which is how they must be given (SPEC.md section 11). */
export function encodeXattrs(xattrs: readonly Xattr[]): Buffer {
  const out = new MessagePackWriter();
  out.array(xattrs.length * 2);
  for (const { name, value } of xattrs) {
    out.bin(name);
    out.bin(value);
  }
  return Buffer.from(out.view());
}

/**
 * The attributes of an attachment, as views of it.
 *
 * @throws VarveError `damaged`
 */
export function decodeXattrs(bytes: Buffer, what: string): Xattr[] {
  const reader = new MessagePackReader(bytes, what);
  if (bytes.length > MAX_ATTACHMENT) throw reader.damaged('the attributes are too long');
  try {
    return readXattrs(reader);
  } catch (cause) {
    throw cause === ENDS_EARLY ? reader.damaged('the attributes are cut off') : cause;
  }
}

function readXattrs(reader: MessagePackReader): Xattr[] {
  const xattrs: Xattr[] = [];
  const count = reader.array();
  if (count % 2 !== 0) throw reader.damaged('an attribute has no value');
  for (let left = count; left > 0; left -= 2) {
    const name = reader.bin();
    const before = xattrs.at(-1)?.name;
    if (name.length === 0 || name.length > MAX_NAME || name.includes(0))
      throw reader.damaged('the name of an attribute is not valid');
    if (before !== undefined && Buffer.compare(before, name) >= 0) throw reader.damaged('attributes are out of order');
    xattrs.push({ name, value: reader.bin() });
  }
  if (reader.remaining > 0) throw reader.damaged('something follows the attributes');
  return xattrs;
}
