// Encodes replies of the FUSE protocol.
// What they say is decided in ../filesystem/.

import { Buffer } from 'node:buffer';
import type { Int64 } from '../../bytes/int64.js';
import { MAJOR } from './abi.js';
import { OUT_HEADER } from './requests.js';

const TWO_32 = 0x1_0000_0000;
const ATTRIBUTES = 88;
/** Bytes of the reply to LOOKUP, and of the part before each name in READDIRPLUS. */
export const ENTRY = 40 + ATTRIBUTES;
const DIRENT = 24;
const XSTAT = 256;

/** What the kernel learns of a file. Times are seconds and nanoseconds since 1970. */
export interface Attributes {
  /** The two halves of the inode number. */
  readonly inodeLow: number;
  readonly inodeHigh: number;
  readonly size: number;
  /** Blocks of 512 bytes. */
  readonly blocks: number;
  readonly atime: readonly [Int64, number];
  readonly mtime: readonly [Int64, number];
  readonly ctime: readonly [Int64, number];
  readonly btime: readonly [Int64, number] | undefined;
  /** With the bits of the file type. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: readonly [major: number, minor: number] | undefined;
}

/** Writes the header of a reply. @param error an errno, or 0 */
export function writeHeader(out: Buffer, length: number, error: number, unique: bigint): void {
  out.writeUInt32LE(length, 0);
  out.writeInt32LE(-error, 4);
  out.writeBigUInt64LE(unique, 8);
}

function writeU64(out: Buffer, at: number, value: number): void {
  out.writeUInt32LE(value % TWO_32, at);
  out.writeUInt32LE(Math.floor(value / TWO_32), at + 4);
}

/** Negative times, before 1970, are in two's complement. */
function writeSeconds(out: Buffer, at: number, seconds: Int64): void {
  if (typeof seconds === 'bigint') {
    out.writeBigInt64LE(seconds, at);
    return;
  }
  const high = Math.floor(seconds / TWO_32);
  out.writeUInt32LE(seconds - high * TWO_32, at);
  out.writeInt32LE(high, at + 4);
}

/** A device number as the kernel encodes it in 32 bits (new_encode_dev). */
export function encodeDevice([major, minor]: readonly [number, number]): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

function writeAttributes(out: Buffer, at: number, a: Attributes): void {
  out.writeUInt32LE(a.inodeLow, at);
  out.writeUInt32LE(a.inodeHigh, at + 4);
  writeU64(out, at + 8, a.size);
  writeU64(out, at + 16, a.blocks);
  writeSeconds(out, at + 24, a.atime[0]);
  writeSeconds(out, at + 32, a.mtime[0]);
  writeSeconds(out, at + 40, a.ctime[0]);
  out.writeUInt32LE(a.atime[1], at + 48);
  out.writeUInt32LE(a.mtime[1], at + 52);
  out.writeUInt32LE(a.ctime[1], at + 56);
  out.writeUInt32LE(a.mode, at + 60);
  out.writeUInt32LE(Math.min(a.links, 0xffff_ffff), at + 64);
  out.writeUInt32LE(a.uid, at + 68);
  out.writeUInt32LE(a.gid, at + 72);
  out.writeUInt32LE(a.device === undefined ? 0 : encodeDevice(a.device), at + 76);
  out.writeUInt32LE(4096, at + 80);
  out.writeUInt32LE(0, at + 84);
}

/** @param seconds for which the kernel may cache the name and the attributes */
function writeEntry(out: Buffer, at: number, node: number, seconds: number, attributes: Attributes): void {
  writeU64(out, at, node);
  writeU64(out, at + 8, 0);
  writeU64(out, at + 16, seconds);
  writeU64(out, at + 24, seconds);
  writeU64(out, at + 32, 0);
  writeAttributes(out, at + 40, attributes);
}

export function entryReply(node: number, seconds: number, attributes: Attributes): Buffer {
  const out = Buffer.alloc(ENTRY);
  writeEntry(out, 0, node, seconds, attributes);
  return out;
}

/** The name does not exist. @param seconds for which the kernel may cache this */
export function absentReply(seconds: number): Buffer {
  const out = Buffer.alloc(ENTRY);
  writeU64(out, 16, seconds);
  return out;
}

export function attributesReply(seconds: number, attributes: Attributes): Buffer {
  const out = Buffer.alloc(16 + ATTRIBUTES);
  writeU64(out, 0, seconds);
  writeAttributes(out, 16, attributes);
  return out;
}

/** Masks STATX_BASIC_STATS and STATX_BTIME. */
const BASIC = 0x7ff;
const BTIME = 0x800;

/** The reply to STATX: attributes with the birth time. */
export function statxReply(seconds: number, a: Attributes): Buffer {
  const out = Buffer.alloc(32 + XSTAT);
  writeU64(out, 0, seconds);
  const at = 32;
  out.writeUInt32LE(a.btime === undefined ? BASIC : BASIC | BTIME, at);
  out.writeUInt32LE(4096, at + 4);
  out.writeUInt32LE(Math.min(a.links, 0xffff_ffff), at + 16);
  out.writeUInt32LE(a.uid, at + 20);
  out.writeUInt32LE(a.gid, at + 24);
  out.writeUInt16LE(a.mode, at + 28);
  out.writeUInt32LE(a.inodeLow, at + 32);
  out.writeUInt32LE(a.inodeHigh, at + 36);
  writeU64(out, at + 40, a.size);
  writeU64(out, at + 48, a.blocks);
  for (const [number, time] of [a.atime, a.btime, a.ctime, a.mtime].entries()) {
    if (time === undefined) continue;
    writeSeconds(out, at + 64 + number * 16, time[0]);
    out.writeUInt32LE(time[1], at + 72 + number * 16);
  }
  out.writeUInt32LE(a.device?.[0] ?? 0, at + 128);
  out.writeUInt32LE(a.device?.[1] ?? 0, at + 132);
  return out;
}

export interface InitReply {
  readonly minor: number;
  readonly flags: number;
  readonly maxReadahead: number;
  /** The largest READ in bytes. */
  readonly maxRead: number;
}

export function initReply({ minor, flags, maxReadahead, maxRead }: InitReply): Buffer {
  const out = Buffer.alloc(64);
  out.writeUInt32LE(MAJOR, 0);
  out.writeUInt32LE(minor, 4);
  out.writeUInt32LE(maxReadahead, 8);
  out.writeUInt32LE(flags, 12);
  out.writeUInt16LE(64, 16); // max_background, for read-ahead
  out.writeUInt16LE(48, 18); // congestion_threshold
  out.writeUInt32LE(4096, 20); // max_write, which a read-only mount does not use
  out.writeUInt32LE(1, 24); // times are exact to the nanosecond
  out.writeUInt16LE(maxRead / 4096, 28);
  return out;
}

export function openReply(handle: number, flags: number): Buffer {
  const out = Buffer.alloc(16);
  writeU64(out, 0, handle);
  out.writeUInt32LE(flags, 8);
  return out;
}

export function xattrSizeReply(size: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(size, 0);
  return out;
}

export function seekReply(offset: number): Buffer {
  const out = Buffer.alloc(8);
  writeU64(out, 0, offset);
  return out;
}

/** Reports only block size and name length. The size of the file system is not known. */
export function statfsReply(nameLength: number): Buffer {
  const out = Buffer.alloc(80);
  out.writeUInt32LE(4096, 40);
  out.writeUInt32LE(nameLength, 44);
  out.writeUInt32LE(4096, 48);
  return out;
}

/** An entry of a listing. */
export interface ListedEntry {
  readonly name: Uint8Array;
  /** The offset at which a listing continues after this entry. */
  readonly next: number;
  readonly node: number;
  readonly seconds: number;
  readonly attributes: Attributes;
}

/** Collects the reply to READDIR or READDIRPLUS, up to the size of the kernel's buffer. */
export class Listing {
  readonly #out: Buffer;
  readonly #plus: boolean;
  #length = 0;

  /** @param plus whether attributes are included, as in READDIRPLUS */
  constructor(size: number, plus: boolean) {
    this.#out = Buffer.allocUnsafe(size);
    this.#plus = plus;
  }

  /** Whether a name of this many bytes still fits. */
  fits(nameLength: number): boolean {
    return this.#length + this.#lengthOf(nameLength) <= this.#out.length;
  }

  /** Adds an entry; it must fit. With READDIRPLUS and a `node` of 0, the kernel learns only the name and the type. */
  add({ name, next, node, seconds, attributes }: ListedEntry): void {
    const out = this.#out;
    const length = this.#lengthOf(name.length);
    let at = this.#length;
    if (this.#plus) {
      writeEntry(out, at, node, seconds, attributes);
      at += ENTRY;
    }
    out.writeUInt32LE(attributes.inodeLow, at);
    out.writeUInt32LE(attributes.inodeHigh, at + 4);
    writeU64(out, at + 8, next);
    out.writeUInt32LE(name.length, at + 16);
    out.writeUInt32LE((attributes.mode >> 12) & 0xf, at + 20);
    out.set(name, at + DIRENT);
    out.fill(0, at + DIRENT + name.length, this.#length + length);
    this.#length += length;
  }

  get bytes(): Buffer {
    return this.#out.subarray(0, this.#length);
  }

  #lengthOf(nameLength: number): number {
    return (this.#plus ? ENTRY : 0) + ((DIRENT + nameLength + 7) & ~7);
  }
}

/** A reply without a body. */
export function emptyReply(error: number, unique: bigint): Buffer {
  const out = Buffer.allocUnsafe(OUT_HEADER);
  writeHeader(out, OUT_HEADER, error, unique);
  return out;
}
