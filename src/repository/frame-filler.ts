import { Buffer } from 'node:buffer';
import { isCompressible, MAX_FRAME_BLOBS } from './blob-writer.js';
import type { PackWriter } from './pack-writer.js';

/** Puts blobs that come one by one together to frames. */
export class FrameFiller {
  readonly #packs: PackWriter;
  readonly #target: number;
  #bytes: Buffer;
  #filled = 0;
  #compressible = true;
  #ids: Buffer[] = [];
  #lengths: number[] = [];
  readonly stored = { blobs: 0, rawBytes: 0, storedBytes: 0 };

  /** @param target bytes of blobs at which a frame is closed */
  constructor(packs: PackWriter, target: number) {
    this.#packs = packs;
    this.#target = target;
    this.#bytes = Buffer.allocUnsafeSlow(target);
  }

  /** The bytes are copied. */
  add(id: Buffer, blob: Uint8Array): void {
    const compressible = isCompressible(blob);
    const differs = compressible !== undefined && compressible !== this.#compressible;
    const full = this.#filled + blob.length > this.#target || this.#lengths.length >= MAX_FRAME_BLOBS;
    if (full || differs) this.flush();
    if (this.#lengths.length === 0) this.#compressible = compressible ?? true;
    if (blob.length > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(blob.length);
    this.#bytes.set(blob, this.#filled);
    this.#filled += blob.length;
    this.#ids.push(Buffer.from(id));
    this.#lengths.push(blob.length);
  }

  /** Closes the frame in the making. */
  flush(): void {
    if (this.#lengths.length === 0) return;
    const raw = this.#bytes.subarray(0, this.#filled);
    const ids = Buffer.concat(this.#ids);
    this.stored.storedBytes += this.#packs.addFrame(raw, ids, this.#lengths, this.#compressible);
    this.stored.rawBytes += raw.length;
    this.stored.blobs += this.#lengths.length;
    this.#filled = 0;
    this.#ids = [];
    this.#lengths = [];
  }
}
