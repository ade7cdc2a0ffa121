// SFTP version 3 (draft-ietf-secsh-filexfer-02): numbers, encoding and decoding.
// No input or output; client.ts does that.
import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';

/** SFTP version 3 (draft-ietf-secsh-filexfer-02): its numbers, and encoding and decoding of packets. No input or output. */
export const VERSION = 3;

/** Types of packets. */
export const TYPE = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  fstat: 8,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  stat: 17,
  rename: 18,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attributes: 105,
  extended: 200,
  extendedReply: 201,
} as const;

/** Codes of a status. */
export const STATUS = {
  ok: 0,
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  unsupported: 8,
} as const;

/** Flags of open. */
export const OPEN = { read: 1, write: 2, create: 8, exclusive: 32 } as const;

const HAS = { size: 1, owner: 2, mode: 4, times: 8, extended: 0x8000_0000 } as const;
const FILE_TYPE = 0o170000;
const REGULAR = 0o100000;

/** Attributes of a file, as far as the server reports them. */
export interface Attributes {
  readonly size?: number;
  /** Type and permissions, as in st_mode. */
  readonly mode?: number;
  /** Seconds since 1970. */
  readonly modified?: number;
}

/** Whether the attributes are of a regular file; undefined when they lack the type. */
export function isRegular({ mode }: Attributes): boolean | undefined {
  return mode === undefined || (mode & FILE_TYPE) === 0 ? undefined : (mode & FILE_TYPE) === REGULAR;
}

/** A 32-bit number, a 64-bit number, or bytes after their length. */
export type Field = number | bigint | string | Uint8Array | Attributes;

/** Encodes a packet. @param following bytes of the packet that the caller sends after the result */
export function encodePacket(type: number, fields: readonly Field[], following = 0): Buffer {
  const parts = fields.map(encodeField);
  const length = 1 + parts.reduce((sum, part) => sum + part.length, 0);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length + following);
  head[4] = type;
  return Buffer.concat([head, ...parts]);
}

function encodeField(field: Field): Buffer {
  if (typeof field === 'number') return u32(field);
  if (typeof field === 'bigint') {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(field);
    return bytes;
  }
  if (typeof field === 'string' || field instanceof Uint8Array) {
    const bytes = Buffer.from(field as string);
    return Buffer.concat([u32(bytes.length), bytes]);
  }
  return encodeAttributes(field);
}

function encodeAttributes({ size, mode, modified }: Attributes): Buffer {
  let flags = 0;
  const parts: Buffer[] = [];
  if (size !== undefined) {
    flags |= HAS.size;
    parts.push(encodeField(BigInt(size)));
  }
  if (mode !== undefined) {
    flags |= HAS.mode;
    parts.push(u32(mode));
  }
  if (modified !== undefined) {
    flags |= HAS.times;
    parts.push(u32(modified), u32(modified));
  }
  return Buffer.concat([u32(flags), ...parts]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads the fields of a packet, and never a byte outside it. */
export class FieldReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u32(): number {
    return this.#take(4).readUInt32BE();
  }

  u64(): bigint {
    return this.#take(8).readBigUInt64BE();
  }

  /** A view of the bytes. */
  string(): Buffer {
    return this.#take(this.u32());
  }

  attributes(): Attributes {
    const flags = this.u32();
    const size = (flags & HAS.size) !== 0 ? { size: this.#size() } : {};
    if ((flags & HAS.owner) !== 0) this.#take(8);
    const mode = (flags & HAS.mode) !== 0 ? { mode: this.u32() } : {};
    const times = (flags & HAS.times) !== 0 ? { modified: this.#modified() } : {};
    if ((flags & HAS.extended) !== 0)
      for (let left = this.u32(); left > 0; left--) {
        this.string();
        this.string();
      }
    return { ...size, ...mode, ...times };
  }

  #size(): number {
    const size = this.u64();
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`a file of ${size} bytes`);
    return Number(size);
  }

  #modified(): number {
    this.u32();
    return this.u32();
  }

  #take(length: number): Buffer {
    if (length > this.remaining) throw malformed('a packet ends early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** The error for a message that is not SFTP. */
export function malformed(what: string): VarveError {
  return new VarveError('storage', `the server's answer is not SFTP: ${what}`);
}

/** The replies to requests, except file contents. */
export type Reply =
  | { readonly kind: 'status'; readonly code: number; readonly message: string }
  | { readonly kind: 'handle'; readonly handle: Buffer }
  | { readonly kind: 'data'; readonly length: number }
  | { readonly kind: 'names'; readonly names: readonly NamedFile[] }
  | { readonly kind: 'attributes'; readonly attributes: Attributes }
  | { readonly kind: 'extended'; readonly fields: FieldReader };

export interface NamedFile {
  /** As latin1: varve's names are ASCII, and other names only need to differ from them. */
  readonly name: string;
  readonly attributes: Attributes;
}

/** @param body the packet after its type */
export function decodeReply(type: number, body: Buffer): { readonly id: number; readonly reply: Reply } {
  const fields = new FieldReader(body);
  const id = fields.u32();
  return { id, reply: replyOf(type, fields) };
}

function replyOf(type: number, fields: FieldReader): Reply {
  switch (type) {
    case TYPE.status: {
      const code = fields.u32();
      return { kind: 'status', code, message: fields.remaining > 0 ? printable(fields.string()) : '' };
    }
    case TYPE.handle:
      return { kind: 'handle', handle: Buffer.from(fields.string()) };
    case TYPE.name:
      return { kind: 'names', names: decodeNames(fields) };
    case TYPE.attributes:
      return { kind: 'attributes', attributes: fields.attributes() };
    case TYPE.extendedReply:
      return { kind: 'extended', fields };
    default:
      throw malformed(`a packet of type ${type}`);
  }
}

function decodeNames(fields: FieldReader): NamedFile[] {
  const names: NamedFile[] = [];
  for (let left = fields.u32(); left > 0; left--) {
    const name = fields.string().toString('latin1');
    fields.string();
    names.push({ name, attributes: fields.attributes() });
  }
  return names;
}

export interface Hello {
  readonly version: number;
  /** The server's extensions and their versions. */
  readonly extensions: ReadonlyMap<string, string>;
}

/** @param body the version packet after its type */
export function decodeHello(body: Buffer): Hello {
  const fields = new FieldReader(body);
  const version = fields.u32();
  const extensions = new Map<string, string>();
  while (fields.remaining > 0) extensions.set(fields.string().toString('latin1'), fields.string().toString('latin1'));
  return { version, extensions };
}

/** Characters of a server's message to show. */
const SHOWN = 200;

/** A server's text, safe for a terminal. */
export function printable(bytes: Buffer): string {
  const text = bytes.subarray(0, SHOWN * 4).toString('utf8');
  return text
    .replace(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, SHOWN);
}
