// Compresses and decompresses zstd frames of known size (SPEC.md section 1).
// policy.ts says how hard; the caller decides what is worth it.
import { Buffer } from 'node:buffer';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { type ZstdParameters, zstd } from './engine.js';

const MAGIC = 0xfd2fb528;
const RUN_LENGTH_BLOCK = 1;

let scratch = Buffer.alloc(0);

/**
 * One zstd frame (RFC 8878) that states its content size.
 *
 * @param limit bytes that the result may have; undefined is returned when it has more
 * @returns a view that is valid until the next call in this thread
 */
export function compress(data: Uint8Array, parameters: ZstdParameters, limit: number): Buffer | undefined {
  if (scratch.length < limit) scratch = Buffer.allocUnsafeSlow(limit);
  const length = zstd().compress(data, parameters, scratch.subarray(0, limit));
  return length < 0 ? undefined : scratch.subarray(0, length);
}

/** Bytes that compressing `length` bytes can take at most. */
export function compressBound(length: number): number {
  return length + (length >> 8) + 1024;
}

/**
 * The content of one zstd frame, which must state `rawLength` bytes and hold exactly those.
 *
 * @param into rawLength bytes that the content is to be put into
 * @throws VarveError `damaged`, before anything is inflated, when it states another size or none.
 */
export function decompress(data: Uint8Array, rawLength: number, what: string, into?: Buffer): Buffer {
  const bytes = asBuffer(data);
  const header = readHeader(bytes);
  if (header?.contentSize !== rawLength)
    throw new VarveError('damaged', `${what}: compressed data states a wrong size`);
  if (frameEnd(bytes, header) !== bytes.length)
    throw new VarveError('damaged', `${what}: compressed data is no one frame`);
  const out = into ?? Buffer.allocUnsafeSlow(rawLength);
  if (!zstd().decompress(data, out)) throw new VarveError('damaged', `${what}: compressed data is damaged`);
  return out;
}

interface FrameHeader {
  readonly contentSize: number;
  /** Bytes of the header. */
  readonly length: number;
  readonly hasChecksum: boolean;
}

/** The frame's header (RFC 8878, section 3.1.1.1); undefined when it is none, or states no content size. */
function readHeader(data: Buffer): FrameHeader | undefined {
  if (data.length < 6 || data.readUInt32LE(0) !== MAGIC) return undefined;
  const descriptor = data.readUInt8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes;
  const flag = descriptor >> 6;
  const bytes = flag === 0 ? (singleSegment ? 1 : 0) : 1 << flag;
  if (bytes === 0 || data.length < at + bytes) return undefined;
  return { contentSize: readSize(data, at, bytes), length: at + bytes, hasChecksum: (descriptor & 4) !== 0 };
}

function readSize(data: Buffer, at: number, bytes: number): number {
  if (bytes === 1) return data.readUInt8(at);
  if (bytes === 2) return data.readUInt16LE(at) + 256;
  if (bytes === 4) return data.readUInt32LE(at);
  return Number(data.readBigUInt64LE(at));
}

/** Where the frame ends, going from block to block (section 3.1.1.2): libzstd would read further frames that follow it. */
function frameEnd(data: Buffer, header: FrameHeader): number {
  let at = header.length;
  for (let last = false; !last; ) {
    if (at + 3 > data.length) return -1;
    const block = data.readUIntLE(at, 3);
    last = (block & 1) !== 0;
    at += 3 + (((block >> 1) & 3) === RUN_LENGTH_BLOCK ? 1 : block >> 3);
  }
  return at + (header.hasChecksum ? 4 : 0);
}
