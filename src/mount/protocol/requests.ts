// Decodes requests of the FUSE protocol.
// Answering them is left to session.ts.

import { Buffer } from 'node:buffer';

/** Bytes before the body of a request and of a reply. */
export const IN_HEADER = 40;
export const OUT_HEADER = 16;

const TWO_32 = 0x1_0000_0000;

/** The header of each request. */
export interface Request {
  readonly length: number;
  readonly opcode: number;
  /** Identifies the request; the reply repeats it. */
  readonly unique: bigint;
  readonly node: number;
  readonly uid: number;
}

/** Numbers of varve are below 2^53. A larger number loses precision, and matches nothing. */
function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * TWO_32 + bytes.readUInt32LE(at);
}

/** @param bytes one request, as read from the device */
export function readRequest(bytes: Buffer): Request {
  return {
    length: bytes.readUInt32LE(0),
    opcode: bytes.readUInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    node: u64(bytes, 16),
    uid: bytes.readUInt32LE(24),
  };
}

export interface InitRequest {
  readonly major: number;
  readonly minor: number;
  readonly maxReadahead: number;
  readonly flags: number;
}

export function readInit(bytes: Buffer): InitRequest {
  const at = IN_HEADER;
  return {
    major: bytes.readUInt32LE(at),
    minor: bytes.readUInt32LE(at + 4),
    maxReadahead: bytes.readUInt32LE(at + 8),
    flags: bytes.readUInt32LE(at + 12),
  };
}

/** The body of READ, READDIR and READDIRPLUS. */
export interface ReadRequest {
  readonly offset: number;
  readonly size: number;
}

export function readRead(bytes: Buffer): ReadRequest {
  const at = IN_HEADER;
  return { offset: u64(bytes, at + 8), size: bytes.readUInt32LE(at + 16) };
}

/** Copies a name without the NUL at its end. @param at its offset after the header */
export function readName(bytes: Buffer, length: number, at = 0): Buffer {
  const start = IN_HEADER + at;
  const end = bytes.indexOf(0, start);
  return Buffer.from(bytes.subarray(start, end < 0 || end > length ? length : end));
}

/** The buffer size of GETXATTR and LISTXATTR; 0 asks only for the length. */
export function readXattrSize(bytes: Buffer): number {
  return bytes.readUInt32LE(IN_HEADER);
}

/** In GETXATTR the name follows the size and padding. */
export function readXattrName(bytes: Buffer, length: number): Buffer {
  return readName(bytes, length, 8);
}

/** The number of lookups to forget. */
export function readForget(bytes: Buffer): number {
  return u64(bytes, IN_HEADER);
}

export function* readForgets(bytes: Buffer, length: number): Generator<{ node: number; lookups: number }> {
  const count = bytes.readUInt32LE(IN_HEADER);
  for (let at = IN_HEADER + 8, left = count; left > 0 && at + 16 <= length; at += 16, left--)
    yield { node: u64(bytes, at), lookups: u64(bytes, at + 8) };
}

/** The `unique` of the request that is interrupted. */
export function readInterrupt(bytes: Buffer): bigint {
  return bytes.readBigUInt64LE(IN_HEADER);
}

export interface SeekRequest {
  readonly offset: number;
  readonly whence: number;
}

export function readSeek(bytes: Buffer): SeekRequest {
  return { offset: u64(bytes, IN_HEADER + 8), whence: bytes.readUInt32LE(IN_HEADER + 16) };
}
