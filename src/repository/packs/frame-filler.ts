import { Buffer } from 'node:buffer';
import type { BlobKind } from '../../format/content.js';
import { FRAME_TARGET, isCompressible, MAX_FRAME_BLOBS, type Stored } from './blob-writer.js';
import type { PackWriter } from './pack-writer.js';

/**
 * Fills frames with blobs that come one by one from anywhere: those that compress in one frame, the others in another. A stream that is
 * cut in the chunker's memory goes through BlobWriter instead, which saves the copy.
 */
export class FrameFiller {
  readonly #packs: PackWriter;
  readonly #target: number;
  readonly #compressible: OpenFrame = { raw: Buffer.alloc(0), length: 0, ids: [], lengths: [] };
  readonly #incompressible: OpenFrame = { raw: Buffer.alloc(0), length: 0, ids: [], lengths: [] };
  /** Counts of the blobs in closed frames. */
  readonly stored: Stored = { blobs: 0, rawBytes: 0, storedBytes: 0 };

  constructor(kind: BlobKind, packs: PackWriter) {
    this.#packs = packs;
    this.#target = FRAME_TARGET[kind];
  }

  /** Copies the blob's bytes. */
  add(id: Buffer, blob: Uint8Array, compressible = isCompressible(blob) !== false): void {
    const frame = compressible ? this.#compressible : this.#incompressible;
    if (frame.length + blob.length > this.#target) this.#close(frame);
    const needed = Math.max(this.#target, blob.length);
    if (frame.raw.length < needed) frame.raw = Buffer.allocUnsafeSlow(needed);
    frame.raw.set(blob, frame.length);
    frame.length += blob.length;
    frame.ids.push(Buffer.from(id));
    frame.lengths.push(blob.length);
    if (frame.lengths.length >= MAX_FRAME_BLOBS) this.#close(frame);
  }

  /** Closes the frames that are not full. */
  flush(): void {
    this.#close(this.#compressible);
    this.#close(this.#incompressible);
  }

  #close(frame: OpenFrame): void {
    const { raw, length, ids, lengths } = frame;
    if (lengths.length === 0) return;
    const bytes = raw.subarray(0, length);
    const compressible = frame === this.#compressible;
    this.stored.storedBytes += this.#packs.addFrame(bytes, Buffer.concat(ids), lengths, compressible);
    this.stored.rawBytes += length;
    this.stored.blobs += lengths.length;
    frame.length = 0;
    frame.ids = [];
    frame.lengths = [];
  }
}

interface OpenFrame {
  /** The buffer that the blobs are copied to. */
  raw: Buffer;
  length: number;
  ids: Buffer[];
  lengths: number[];
}
