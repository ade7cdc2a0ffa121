// Assembles packs in buffers: frames, padding, directory, parity, footer, name.
// Filling frames is left to BlobWriter and FrameFiller, storing packs to PackSink.
import { Buffer } from 'node:buffer';
import { createHash, randomFillSync } from 'node:crypto';
import { asBuffer } from '../../bytes/views.js';
import type { ZstdParameters } from '../../compression/engine.js';
import { compress } from '../../compression/zstd.js';
import { FOOTER_LENGTH as FOOTER_BYTES, sealFooter } from '../../crypto/footer.js';
import { newPackKey, type PackKey, sealFrameInto } from '../../crypto/pack-key.js';
import { type BlobKind, DATA, TREE } from '../../format/content.js';
import { MAX_PACK } from '../../format/limits.js';
import {
  type PackRecord,
  PackRecordBuilder,
  RAW,
  type RecordFrame,
  TAG_BYTES,
  ZSTD,
} from '../../format/pack-record.js';
import { padmeLength } from '../../format/padme.js';
import { type ParityLayout, parityLayout } from '../../parity/layout.js';
import { writeParity } from '../../parity/section.js';
import { DirectoryDraft, directoryOverhead, type PackSigner } from './pack-directory.js';

/** Bytes at which a pack is closed: docs/benchmarks.md. */
export const PACK_TARGET = 16 * 1024 * 1024;
/** A pack that has reached its target is closed once its padding is at most this fraction of it. */
const GOOD_PADDING = 0.004;
/** A pack may grow to this multiple of its target while it waits for good padding. */
const GROWTH = 1.25;
/** A frame that does not compress below this fraction of its size is kept raw. */
const WORTH_COMPRESSING = 0.97;
export const MAX_FRAMES = 0xffff;
/** Blobs in a pack. Many small ones fit in one, and each takes memory in its directory until the pack is sealed. */
export const MAX_BLOBS = 0xffff;

/** The buffers in which packs are assembled, of at least `packCapacity(target)` bytes. */
export interface BufferPool {
  acquire(): number;
  bytes(number: number): Uint8Array;
  /** From now on the buffer may be overwritten. */
  release(number: number): void;
}

/** A complete pack, in the buffer where it was assembled. */
export interface FinishedPack {
  readonly buffer: number;
  /** Lower-case hex SHA-256. */
  readonly name: string;
  readonly size: number;
  readonly record: PackRecord;
}

/** Frames that do not fill a pack, and are not sealed as one: `mergeParts` merges those of several writers. */
export interface PackPart {
  readonly buffer: number;
  /** Bytes of frames from the buffer's start. */
  readonly length: number;
  readonly record: PackRecord;
}

interface OpenPack {
  readonly buffer: number;
  readonly builder: PackRecordBuilder;
  /** Made when the first frame is sealed. */
  key: { readonly key: Uint8Array; readonly wrapped: Buffer } | undefined;
  length: number;
}

/** A buffer holds at least this many bytes and a chunk, however small the target: a frame and its directory must fit. */
const SMALLEST_CAPACITY = 4 * 1024 * 1024;

/**
 * Bytes of a buffer that a pack with this target size fits in.
 *
 * @param maxChunk bytes of the largest chunk
 * @param parity percent, as the config has it
 */
export function packCapacity(target: number, maxChunk: number, parity: number): number {
  const content = Math.ceil(Math.max(target, SMALLEST_CAPACITY) * GROWTH) + Math.ceil(maxChunk * GROWTH);
  return parity === 0 ? content : packLayout(content, parity).size;
}

/** Sizes and offsets of the parts of a pack. */
interface PackLayout {
  /** Bytes of the pack, a Padmé length. */
  readonly size: number;
  /** Offset at which the directory ends. */
  readonly contentEnd: number;
  readonly parity: ParityLayout | undefined;
}

/** @param content bytes of frames and directory */
function packLayout(content: number, parity: number): PackLayout {
  let size = padmeLength(content + FOOTER_BYTES);
  if (parity === 0) return { size, contentEnd: size - FOOTER_BYTES, parity: undefined };
  for (;;) {
    const layout = parityLayout(size, parity);
    if (layout !== undefined && layout.offset >= content) return { size, contentEnd: layout.offset, parity: layout };
    if (size > MAX_PACK) throw new RangeError('a pack outgrew the limit of its size');
    size = padmeLength(size + 1);
  }
}

/**
 * Bytes of a pack.
 *
 * @param frames bytes of its frames
 * @param record bytes of its directory's record, or an upper bound
 */
export function packLength(signer: PackSigner, frames: number, record: number, parity: number): number {
  return packLayout(frames + record + directoryOverhead(signer), parity).size;
}

/** What the writers of both kinds share. */
export interface PackWriterOptions {
  readonly signer: PackSigner;
  /** Undefined to keep everything raw. */
  readonly compression: ZstdParameters | undefined;
  /** Bytes at which a pack is closed. */
  readonly target: number;
  /** Percent, as the config has it. */
  readonly parity: number;
  readonly buffers: Pick<BufferPool, 'acquire' | 'bytes'>;
  readonly emit: (pack: FinishedPack) => void;
  /** Gets the key of each tree pack that an append key writes: it cannot unwrap them later. */
  readonly onTreeKey?: ((key: PackKey) => void) | undefined;
}

export type PackWriters = Readonly<Record<BlobKind, PackWriter>>;

export function packWriters({ onTreeKey, ...options }: PackWriterOptions): PackWriters {
  const onKey = options.signer.keys.role === 'append' ? onTreeKey : undefined;
  return {
    [DATA]: new PackWriter({ ...options, kind: DATA }),
    [TREE]: new PackWriter({ ...options, kind: TREE, onKey }),
  };
}

/** Compresses and seals frames, and assembles them into packs of one kind (SPEC.md section 9). */
export class PackWriter {
  readonly #signer: PackSigner;
  readonly #kind: BlobKind;
  readonly #compression: ZstdParameters | undefined;
  readonly #target: number;
  readonly #parity: number;
  readonly #buffers: Pick<BufferPool, 'acquire' | 'bytes'>;
  readonly #emit: (pack: FinishedPack) => void;
  readonly #onKey: ((key: PackKey) => void) | undefined;
  #current: OpenPack | undefined;

  /** @param options `onKey` gets the key of each pack */
  constructor(
    options: Omit<PackWriterOptions, 'onTreeKey'> & {
      readonly kind: BlobKind;
      readonly onKey?: ((key: PackKey) => void) | undefined;
    },
  ) {
    this.#signer = options.signer;
    this.#kind = options.kind;
    this.#compression = options.compression;
    this.#target = options.target;
    this.#parity = options.parity;
    this.#buffers = options.buffers;
    this.#emit = options.emit;
    this.#onKey = options.onKey;
  }

  /**
   * Adds one frame.
   *
   * @param raw its blobs, end to end
   * @param ids 32 bytes for each of `lengths`
   * @returns bytes of the frame in the pack
   */
  addFrame(raw: Uint8Array, ids: Buffer, lengths: readonly number[], compressible: boolean): number {
    const compressed = compressible ? this.#compress(raw) : undefined;
    const body = compressed ?? raw;
    const codec = compressed === undefined ? RAW : ZSTD;
    const storedLength = body.length + TAG_BYTES;
    const pack = this.#packFor(storedLength, lengths.length);
    const counter = pack.builder.frames;
    pack.key ??= this.#newKey();
    const { key, wrapped } = pack.key;
    sealFrameInto(this.#buffers.bytes(pack.buffer), pack.length, key, counter, codec, raw.length, body);
    const frame = { offset: pack.length, storedLength, rawLength: raw.length, wrappedKey: wrapped, codec, counter };
    pack.builder.addFrame(frame, ids, lengths);
    this.#grow(pack, storedLength);
    return storedLength;
  }

  /** Whether a frame of these bytes would be compressed. */
  compresses(raw: Uint8Array): boolean {
    return this.#compress(raw) !== undefined;
  }

  #compress(raw: Uint8Array): Uint8Array | undefined {
    const limit = Math.floor(raw.length * WORTH_COMPRESSING);
    return this.#compression === undefined ? undefined : compress(raw, this.#compression, limit);
  }

  /**
   * Adds a sealed frame of another pack as it is, with its wrapped key.
   *
   * @param stored the frame's bytes
   */
  addSealed(record: PackRecord, frame: RecordFrame, stored: Uint8Array): void {
    const pack = this.#packFor(frame.storedLength, frame.blobs);
    this.#buffers.bytes(pack.buffer).set(stored, pack.length);
    pack.builder.addCopy(record, frame, pack.length);
    this.#grow(pack, frame.storedLength);
  }

  #grow(pack: OpenPack, bytes: number): void {
    pack.length += bytes;
    if ((pack.length >= this.#target && this.#wellPadded(pack)) || pack.builder.blobs >= MAX_BLOBS) this.finish();
  }

  /** Completes the open pack, however little it holds. */
  finish(): void {
    const part = this.takePart();
    if (part !== undefined) this.#emit(sealPack(this.#signer, part, this.#buffers.bytes(part.buffer), this.#parity));
  }

  /** Hands over the frames of the pack that is not full yet. */
  takePart(): PackPart | undefined {
    const pack = this.#current;
    this.#current = undefined;
    return pack && { buffer: pack.buffer, length: pack.length, record: pack.builder.build() };
  }

  #packFor(storedLength: number, blobs: number): OpenPack {
    const pack = this.#current;
    if (pack !== undefined) {
      const record = pack.builder.encodedLength + blobs * 36 + 512;
      const needed = packLength(this.#signer, pack.length + storedLength, record, this.#parity);
      if (needed <= this.#buffers.bytes(pack.buffer).length && pack.builder.frames < MAX_FRAMES) return pack;
      this.finish();
    }
    return this.#startPack();
  }

  #startPack(): OpenPack {
    const buffer = this.#buffers.acquire();
    this.#current = { buffer, builder: new PackRecordBuilder(this.#kind), key: undefined, length: 0 };
    return this.#current;
  }

  #newKey(): NonNullable<OpenPack['key']> {
    const made = newPackKey(this.#signer.keys, this.#kind);
    this.#onKey?.(made);
    return { key: made.key, wrapped: asBuffer(made.wrapped) };
  }

  #wellPadded(pack: OpenPack): boolean {
    const content = pack.length + pack.builder.encodedLength + directoryOverhead(this.#signer);
    const { contentEnd } = packLayout(content, this.#parity);
    return contentEnd - content <= content * GOOD_PADDING || pack.length >= this.#target * GROWTH;
  }
}

/**
 * Completes a pack: adds padding, directory, parity, footer and name to its frames.
 *
 * @param buffer begins with the part's frames
 * @param parity percent, as the config has it
 */
export function sealPack(signer: PackSigner, part: PackPart, buffer: Uint8Array, parity: number): FinishedPack {
  const directory = new DirectoryDraft(signer, part.record);
  const layout = packLayout(part.length + directory.length, parity);
  const { size } = layout;
  const directoryOffset = layout.contentEnd - directory.length;
  if (size > buffer.length) throw new RangeError('a pack outgrew its buffer');
  const out = asBuffer(buffer).subarray(0, size);
  const padding = Buffer.alloc(directoryOffset - part.length);
  randomFillSync(padding);
  out.set(padding, part.length);
  const hash = createHash('sha256').update(out.subarray(0, directoryOffset));
  out.set(directory.seal(hash.copy().digest()), directoryOffset);
  const footer = sealFooter(signer.keys, {
    directoryOffset,
    directoryLength: directory.length,
    kind: part.record.kind,
    parityOffset: layout.parity?.offset ?? 0,
    parityLength: layout.parity?.sectionLength ?? 0,
  });
  out.set(footer, size - FOOTER_BYTES);
  if (layout.parity !== undefined) writeParity(out, layout.parity);
  const name = hash.update(out.subarray(directoryOffset)).digest('hex');
  return { buffer: part.buffer, name, size, record: part.record };
}
