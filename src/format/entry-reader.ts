// Decodes entries in place, without an object for each field (SPEC.md section 11).
// directory-parser.ts finds where they begin.
import { Buffer } from 'node:buffer';
import type { Int64 } from '../bytes/int64.js';
import { ENDS_EARLY, MessagePackReader } from '../bytes/reader.js';
import { compareRange } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { type Attachment, MAX_ATTACHMENT, MAX_INLINE, ownAttachment } from './attachment.js';
import type { ContentRef } from './content.js';
import { type Entry, type EntryStat, type EntryType, FIELDS, TYPES } from './entry.js';
import { ID_BYTES } from './limits.js';

const MAX_NAME = 65_535;
const MAX_MODE = 0o7777;
const MAX_ID = 0xffff_ffff;
/** Of the two numbers of a device. */
const MAX_DEVICE = 0xffff_ffff;
const MAX_NANOSECONDS = 999_999_999;
/** Arrays and maps around a value of the extra map: the entry, and the map. */
const EXTRA_DEPTH = 2;
const MAX_I64 = 2n ** 63n - 1n;

/** An entry that cannot be read as one. Its bytes are views, valid until `onBad` returns. */
export interface BadEntry {
  /** Undefined when the name cannot be read either, or no file can have it. */
  readonly name: Buffer | undefined;
  readonly raw: Buffer;
  readonly error: VarveError;
}

export interface EntryReaderOptions {
  /** The name that all names must come after, when the bytes continue a stream. */
  readonly previous?: Buffer | undefined;
  /** Gets entries that cannot be read, which the reader then passes over. Without it, it throws. */
  readonly onBad?: ((bad: BadEntry) => void) | undefined;
}

/** A position in the bytes. */
interface Span {
  start: number;
  end: number;
}

/**
 * Walks over entries that lie one after another in bytes. The fields are those of the entry that `next` stopped at; name and
 * content are views of the bytes, made when they are asked for, so comparing a million entries makes hardly any objects.
 */
export class EntryReader implements EntryStat {
  readonly #reader: MessagePackReader;
  readonly #bytes: Buffer;
  #start = 0;
  readonly #name: Span = { start: 0, end: 0 };
  readonly #ids: Span = { start: 0, end: 0 };
  #contentSize = 0;
  /** Undefined where there is no content. */
  #contentDepth: 0 | 1 | undefined;
  readonly #onBad: ((bad: BadEntry) => void) | undefined;
  /** The name before the first one here, until that is read. */
  #before: Buffer | undefined;
  readonly #users = new RepeatedText();
  readonly #groups = new RepeatedText();
  /** Keys of the current entry that this version does not know. */
  readonly #laterKeys = new Set<string>();
  user = '';
  group = '';
  type: EntryType = 'file';
  mode = 0;
  uid = 0;
  gid = 0;
  mtimeSeconds: Int64 = 0;
  mtimeNanoseconds = 0;
  ctimeSeconds: Int64 = 0;
  ctimeNanoseconds = 0;
  size = 0;
  inode: Int64 = 0;
  device: Int64 = 0;
  links = 1;
  target: Buffer | undefined;
  rdev: readonly [number, number] | undefined;
  atime: readonly [Int64, number] | undefined;
  btime: readonly [Int64, number] | undefined;
  xattrs: Attachment | undefined;
  holes: Attachment | undefined;

  constructor(bytes: Buffer, what: string, { previous, onBad }: EntryReaderOptions = {}) {
    this.#bytes = bytes;
    this.#reader = new MessagePackReader(bytes, what);
    this.#before = previous;
    this.#onBad = onBad;
  }

  /**
   * Moves to the next entry; false when there is none, or only a part of one, left.
   *
   * @throws VarveError `damaged` for what is no entry; with `onBad` only when the start of the next one is unknown
   */
  next(): boolean {
    for (;;) {
      this.#start = this.#reader.position;
      if (this.#reader.remaining === 0) return false;
      try {
        this.#read();
        return true;
      } catch (cause) {
        if (cause !== ENDS_EARLY && this.#passOver(cause)) continue;
        this.#reader.position = this.#start;
        return false;
      }
    }
  }

  /** Goes past an entry that cannot be read, and reports it. @returns false when its end is not there */
  #passOver(cause: unknown): boolean {
    if (this.#onBad === undefined || !(cause instanceof VarveError)) throw cause;
    const r = this.#reader;
    r.position = this.#start;
    try {
      if (!r.skipAnyArray())
        throw r.damaged('no entry begins where one should: the rest of the directory cannot be read');
    } catch (ending) {
      if (ending !== ENDS_EARLY) throw ending;
      return false;
    }
    this.#onBad({ name: this.#nameOfBad(), raw: this.raw, error: cause });
    return true;
  }

  /** The first field, as far as it is a name. The position stays. */
  #nameOfBad(): Buffer | undefined {
    const reader = new MessagePackReader(this.raw, '');
    try {
      reader.array();
      const name = reader.bin();
      return validName(name) ? name : undefined;
    } catch {
      return undefined;
    }
  }

  get name(): Buffer {
    return this.#view(this.#name);
  }

  /** Byte order of the entry's name and another, as for sort. */
  compareName(other: Buffer): number {
    return compareRange(this.#bytes, this.#name.start, this.#name.end, other, 0, other.length);
  }

  get content(): ContentRef | undefined {
    if (this.#contentDepth === undefined) return undefined;
    return { size: this.#contentSize, depth: this.#contentDepth, ids: this.#view(this.#ids) };
  }

  /** Where the current entry begins. */
  get start(): number {
    return this.#start;
  }

  /** Where the current entry ends and the next begins. */
  get position(): number {
    return this.#reader.position;
  }

  /** The name of the last entry that was read whole. */
  get lastName(): Buffer | undefined {
    return this.#before ?? (this.#name.end === 0 ? undefined : this.name);
  }

  /** The bytes not yet consumed: a part of an entry, or nothing. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#reader.position);
  }

  /** The current entry's encoding. */
  get raw(): Buffer {
    return this.#bytes.subarray(this.#start, this.#reader.position);
  }

  /** The current entry as an object of its own, with copies of its bytes. */
  entry(): Entry {
    const { content, target } = this;
    return {
      name: Buffer.from(this.name),
      type: this.type,
      mode: this.mode,
      uid: this.uid,
      gid: this.gid,
      user: this.user,
      group: this.group,
      mtimeSeconds: this.mtimeSeconds,
      mtimeNanoseconds: this.mtimeNanoseconds,
      ctimeSeconds: this.ctimeSeconds,
      ctimeNanoseconds: this.ctimeNanoseconds,
      size: this.size,
      inode: this.inode,
      device: this.device,
      links: this.links,
      content: content && { ...content, ids: Buffer.from(content.ids) },
      target: target && Buffer.from(target),
      rdev: this.rdev,
      atime: this.atime,
      btime: this.btime,
      xattrs: ownAttachment(this.xattrs),
      holes: ownAttachment(this.holes),
    };
  }

  #read(): void {
    const r = this.#reader;
    if (r.array() !== FIELDS) throw r.damaged('an entry has a wrong number of fields');
    const nameLength = r.skipBin();
    const nameEnd = r.position;
    this.type = this.#type(r.uint());
    this.mode = r.uint(MAX_MODE);
    this.uid = r.uint(MAX_ID);
    this.gid = r.uint(MAX_ID);
    this.user = this.#users.read(r);
    this.group = this.#groups.read(r);
    this.mtimeSeconds = this.#seconds();
    this.mtimeNanoseconds = r.uint(MAX_NANOSECONDS);
    this.ctimeSeconds = this.#seconds();
    this.ctimeNanoseconds = r.uint(MAX_NANOSECONDS);
    this.size = r.uint();
    this.#readContent();
    this.#readExtra();
    this.#checkLength();
    this.#takeName(nameEnd - nameLength, nameEnd);
  }

  #type(number: number): EntryType {
    const type = TYPES[number - 1];
    if (type === undefined) throw this.#reader.damaged(`unknown entry type ${number}`);
    return type;
  }

  #seconds(): Int64 {
    const value = this.#reader.int();
    if (typeof value === 'bigint' && value > MAX_I64) throw this.#reader.damaged('a time is out of range');
    return value;
  }

  #readContent(): void {
    const r = this.#reader;
    this.#contentDepth = undefined;
    this.target = undefined;
    if (r.nil()) {
      if (this.type === 'file' || this.type === 'directory' || this.type === 'symlink')
        throw r.damaged('content is missing');
    } else if (r.nextIsBin()) {
      this.target = r.bin();
      if (this.type !== 'symlink' || this.target.includes(0)) throw r.damaged('a link target is not valid');
    } else {
      this.#readReference();
      if (this.type !== 'file' && this.type !== 'directory') throw r.damaged('content where none can be');
    }
  }

  #readExtra(): void {
    const r = this.#reader;
    this.inode = 0;
    this.device = 0;
    this.links = 1;
    this.rdev = undefined;
    this.atime = undefined;
    this.btime = undefined;
    this.xattrs = undefined;
    this.holes = undefined;
    if (this.#laterKeys.size > 0) this.#laterKeys.clear();
    let seen = 0;
    for (let left = r.map(); left > 0; left--) {
      const key = this.#key();
      if (key < 0) {
        r.skip(EXTRA_DEPTH);
        continue;
      }
      if (((seen >> key) & 1) === 1) throw r.damaged(`key ${KEYS[key]} comes twice`);
      seen |= 1 << key;
      this.#readValue(key);
    }
  }

  /** Reads a key of the extra map. @returns its number; -1 for one of a later version */
  #key(): number {
    const r = this.#reader;
    for (let key = 0; key < KEYS.length; key++) if (r.takes(KEYS[key] as Buffer)) return key;
    const text = r.str();
    // Its length may also be written in more bytes than it takes.
    const known = KEYS.findIndex((each) => each.equals(text));
    if (known >= 0) return known;
    const name = text.toString();
    if (this.#laterKeys.has(name)) throw r.damaged('a key comes twice');
    this.#laterKeys.add(name);
    return -1;
  }

  #readValue(key: number): void {
    switch (key) {
      case INO:
        this.inode = this.#reader.int();
        break;
      case DEV:
        this.device = this.#reader.int();
        break;
      case BTIME:
        this.btime = this.#time();
        break;
      case LINKS:
        this.links = this.#reader.uint();
        break;
      case RDEV:
        this.rdev = this.#numbers();
        break;
      case ATIME:
        this.atime = this.#time();
        break;
      case XATTRS:
        this.xattrs = this.#attachment();
        break;
      case HOLES:
        this.holes = this.#attachment();
    }
  }

  /** What lies between the holes of a file is shorter than the file; a link has its target's length, and all else none. */
  #checkLength(): void {
    const r = this.#reader;
    if ((this.type === 'character' || this.type === 'block') && this.rdev === undefined)
      throw r.damaged('a device without its numbers');
    if (this.type !== 'file') {
      if (this.holes !== undefined) throw r.damaged('holes where none can be');
      if (this.size !== (this.target === undefined ? 0 : this.target.length))
        throw r.damaged('it states a wrong length');
    } else if (this.holes === undefined ? this.#contentSize !== this.size : this.#contentSize >= this.size)
      throw r.damaged('a file states two lengths');
  }

  #attachment(): Attachment {
    const r = this.#reader;
    if (r.nextIsBin()) {
      const bytes = r.bin();
      if (bytes.length > MAX_INLINE) throw r.damaged('an attachment is too long for an entry');
      return bytes;
    }
    const { size, depth, length } = this.#reference();
    if (size > MAX_ATTACHMENT) throw r.damaged('an attachment is too long');
    return { size, depth, ids: r.bytes.subarray(r.position - length, r.position) };
  }

  #time(): readonly [Int64, number] {
    this.#pair();
    return [this.#seconds(), this.#reader.uint(MAX_NANOSECONDS)];
  }

  /** Of a device. */
  #numbers(): readonly [number, number] {
    this.#pair();
    return [this.#reader.uint(MAX_DEVICE), this.#reader.uint(MAX_DEVICE)];
  }

  #pair(): void {
    if (this.#reader.array() !== 2) throw this.#reader.damaged('a pair was expected');
  }

  #readReference(): void {
    const { size, depth, length } = this.#reference();
    this.#contentSize = size;
    this.#contentDepth = depth;
    this.#ids.end = this.#reader.position;
    this.#ids.start = this.#ids.end - length;
  }

  /** Skips a content reference; its ids (`length` bytes) come last. */
  #reference(): { size: number; depth: 0 | 1; length: number } {
    const r = this.#reader;
    if (r.array() !== 3) throw r.damaged('a content reference has a wrong number of fields');
    const size = r.uint();
    const depth = r.uint();
    const length = r.skipBin();
    if (depth > 1 || length % ID_BYTES !== 0) throw r.damaged('a content reference is not valid');
    return { size, depth: depth === 0 ? 0 : 1, length };
  }

  #takeName(start: number, end: number): void {
    const bytes = this.#bytes;
    if (!isName(bytes, start, end)) throw this.#reader.damaged('a name is not valid');
    const last = this.#name;
    const before = this.#before;
    const order =
      before === undefined
        ? compareRange(bytes, last.start, last.end, bytes, start, end)
        : compareRange(before, 0, before.length, bytes, start, end);
    if (order >= 0) throw this.#reader.damaged('names are out of order');
    this.#before = undefined;
    last.start = start;
    last.end = end;
  }

  #view({ start, end }: Span): Buffer {
    return this.#bytes.subarray(start, end);
  }
}

/** Reads a text; returns the previous string if the bytes are the same. */
class RepeatedText {
  #bytes: Buffer = EMPTY;
  #text = '';

  read(r: MessagePackReader): string {
    if (this.#bytes.length < MAX_SHORT_TEXT && r.takes(this.#bytes)) return this.#text;
    this.#bytes = Buffer.from(r.str());
    this.#text = this.#bytes.toString();
    return this.#text;
  }
}

const EMPTY = Buffer.alloc(0);
/** The length below which MessagePack has a text's length in its first byte. */
const MAX_SHORT_TEXT = 32;
/** Keys of the extra map, those first that most entries have. */
const KEYS: readonly Buffer[] = ['ino', 'dev', 'btime', 'links', 'rdev', 'atime', 'xattrs', 'holes'].map((key) =>
  Buffer.from(key),
);
const [INO, DEV, BTIME, LINKS, RDEV, ATIME, XATTRS, HOLES] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** Whether the bytes can be the name of a file in a directory (SPEC.md section 1). */
export function validName(name: Buffer): boolean {
  return isName(name, 0, name.length);
}

function isName(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length === 0 || length > MAX_NAME) return false;
  for (let i = start; i < end; i++) if (bytes[i] === 0 || bytes[i] === 0x2f) return false;
  return !(bytes[start] === 0x2e && (length === 1 || (length === 2 && bytes[start + 1] === 0x2e)));
}
