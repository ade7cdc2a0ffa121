// Cuts streams into blobs, and stores the new ones in frames that are filled in the chunker's memory.
// What makes up a pack is left to PackWriter; blobs that are cut already go through FrameFiller.
import { Buffer } from 'node:buffer';
import type { Chunker } from '../../chunking/chunker.js';
import { looksIncompressible } from '../../compression/incompressible.js';
import { blobId } from '../../crypto/blob-id.js';
import type { BlobKind, ContentRef } from '../../format/content.js';
import type { PackWriter } from './pack-writer.js';

/** From this size on, blobs are tested: those that do not compress share frames without compression. */
const TEST_COMPRESSIBLE = 64 * 1024;
/** Blobs in a frame. Without a bound, blobs of a few bytes would need a directory larger than the pack. */
export const MAX_FRAME_BLOBS = 4096;
/** Bytes of a read when the length of a stream is not known. */
const READ_BYTES = 1024 * 1024;

/** Bytes of blobs at which a frame is closed, by kind. docs/benchmarks.md has the measurements. */
export const FRAME_TARGET: Record<BlobKind, number> = { 1: 2 * 1024 * 1024, 2: 512 * 1024 };

/** Decides whether a blob has to be stored. */
export interface Deduplicator {
  /** True for an id that the repository lacks, the first time. The caller must then store the blob. */
  claim(id: Buffer): boolean;
}

/** Undefined for a small blob, which is not tested and joins any frame. */
export function isCompressible(blob: Uint8Array): boolean | undefined {
  return blob.length < TEST_COMPRESSIBLE ? undefined : !looksIncompressible(blob);
}

/** Counts of stored blobs and their bytes. */
export interface Stored {
  blobs: number;
  /** Bytes before compression. */
  rawBytes: number;
  /** Bytes in packs. */
  storedBytes: number;
}

/**
 * Cuts streams into blobs, stores the new ones, and returns the ids. The caller reads a stream straight into the chunker's memory. New
 * blobs stay there, side by side, until they fill a frame, and are compressed from there.
 *
 * The memory holds: [open frame][gap left by known blobs][bytes not cut yet][free].
 */
export class BlobWriter {
  readonly stored: Stored = { blobs: 0, rawBytes: 0, storedBytes: 0 };
  readonly #kind: BlobKind;
  readonly #chunker: Chunker;
  readonly #memory: Buffer;
  readonly #idKey: Uint8Array;
  readonly #deduplicator: Deduplicator;
  readonly #packs: PackWriter;
  readonly #frameTarget: number;
  #frameStart = 0;
  #frameEnd = 0;
  #frameCompressible = true;
  #frameIds: Buffer[] = [];
  #frameLengths: number[] = [];
  #uncut = 0;
  #filled = 0;
  #streamIds: Buffer[] = [];
  #streamSize = 0;

  /** @param frameTarget bytes of blobs at which a frame is closed */
  constructor(options: {
    kind: BlobKind;
    chunker: Chunker;
    idKey: Uint8Array;
    deduplicator: Deduplicator;
    packs: PackWriter;
    frameTarget: number;
  }) {
    this.#kind = options.kind;
    this.#chunker = options.chunker;
    const { memory } = options.chunker;
    this.#memory = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
    this.#idKey = options.idKey;
    this.#deduplicator = options.deduplicator;
    this.#packs = options.packs;
    this.#frameTarget = options.frameTarget;
  }

  /** Bytes of memory that the chunker of a BlobWriter needs. */
  static capacity(maxChunk: number, frameTarget: number): number {
    return frameTarget + 2 * maxChunk + 4 * READ_BYTES;
  }

  /** Begins a stream, and forgets one that was not ended. */
  begin(): void {
    if (this.#frameEnd === this.#frameStart) {
      this.#frameStart = 0;
      this.#frameEnd = 0;
    }
    this.#uncut = this.#frameEnd;
    this.#filled = this.#frameEnd;
    this.#streamIds = [];
    this.#streamSize = 0;
  }

  /**
   * A buffer for the stream's next bytes. `commit` takes them.
   *
   * @param wanted bytes that are still to come, if that is known
   */
  space(wanted = READ_BYTES): Buffer {
    const needed = Math.min(wanted, READ_BYTES);
    if (this.#memory.length - this.#filled < needed) this.#compact();
    return this.#memory.subarray(this.#filled, Math.min(this.#memory.length, this.#filled + READ_BYTES));
  }

  /** Takes the first `count` bytes of the buffer as the stream's next. */
  commit(count: number): void {
    this.#filled += count;
    this.#streamSize += count;
    this.#cut(false);
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const buffer = this.space(bytes.length - at);
      const count = Math.min(buffer.length, bytes.length - at);
      buffer.set(bytes.subarray(at, at + count));
      this.commit(count);
      at += count;
    }
  }

  /** Ends the stream. @returns its blobs, each stored or in an open frame or pack */
  end(): ContentRef {
    this.#cut(true);
    return { size: this.#streamSize, depth: 0, ids: Buffer.concat(this.#streamIds) };
  }

  /** Closes the open frame. */
  flush(): void {
    if (this.#frameLengths.length > 0) this.#closeFrame();
  }

  #cut(final: boolean): void {
    while (this.#uncut < this.#filled) {
      const end = this.#chunker.cut(this.#uncut, this.#filled, final);
      if (end === 0) return;
      this.#blob(this.#uncut, end);
      this.#uncut = end;
    }
  }

  #blob(start: number, end: number): void {
    const bytes = this.#memory.subarray(start, end);
    const id = blobId(this.#idKey, this.#kind, bytes);
    this.#streamIds.push(id);
    if (!this.#deduplicator.claim(id)) return;
    const { length } = bytes;
    const large = length >= this.#frameTarget;
    this.#joinFrame(large, isCompressible(bytes));
    this.#append(start, end);
    this.#frameIds.push(id);
    this.#frameLengths.push(length);
    const full = this.#frameEnd - this.#frameStart >= this.#frameTarget || this.#frameLengths.length >= MAX_FRAME_BLOBS;
    if (large || full) this.#closeFrame();
  }

  /** @param compressible undefined when the blob was not tested */
  #joinFrame(large: boolean, compressible: boolean | undefined): void {
    const differs = compressible !== undefined && compressible !== this.#frameCompressible;
    if (this.#frameLengths.length > 0 && (large || differs)) this.#closeFrame();
    if (this.#frameLengths.length === 0) this.#frameCompressible = compressible ?? true;
  }

  #append(start: number, end: number): void {
    if (this.#frameLengths.length === 0) this.#frameStart = start;
    else if (this.#frameEnd !== start) this.#memory.copyWithin(this.#frameEnd, start, end);
    this.#frameEnd = this.#frameLengths.length === 0 ? end : this.#frameEnd + (end - start);
  }

  #closeFrame(): void {
    const raw = this.#memory.subarray(this.#frameStart, this.#frameEnd);
    const ids = Buffer.concat(this.#frameIds);
    this.stored.storedBytes += this.#packs.addFrame(raw, ids, this.#frameLengths, this.#frameCompressible);
    this.stored.rawBytes += raw.length;
    this.stored.blobs += this.#frameLengths.length;
    this.#frameStart = this.#frameEnd;
    this.#frameIds = [];
    this.#frameLengths = [];
  }

  /** Moves the open frame, and the uncut bytes behind it, to the start of the memory. */
  #compact(): void {
    const frame = this.#frameEnd - this.#frameStart;
    this.#memory.copyWithin(0, this.#frameStart, this.#frameEnd);
    this.#memory.copyWithin(frame, this.#uncut, this.#filled);
    this.#filled = frame + (this.#filled - this.#uncut);
    this.#uncut = frame;
    this.#frameStart = 0;
    this.#frameEnd = frame;
  }
}
