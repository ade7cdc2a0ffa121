import { Buffer } from 'node:buffer';
import type { BlobKind } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';
import { type Codec, type PackRecord, RAW, type RecordFrame } from '../format/pack-record.js';
import { FRAME_TARGET, MAX_FRAME_BLOBS } from '../repository/blob-writer.js';
import type { PackWriter } from '../repository/pack-writer.js';

/** Puts what is needed of frames that were opened together to new frames, what was compressed apart from what was not. */
export class Refill {
  readonly #packs: PackWriter;
  readonly #target: number;
  readonly #frames = new Map<Codec, OpenFrame>();

  constructor(kind: BlobKind, packs: PackWriter) {
    this.#packs = packs;
    this.#target = FRAME_TARGET[kind];
  }

  /**
   * @param raw the frame's plaintext
   * @param isNeeded asked for each blob, by its number in the record
   */
  add(record: PackRecord, frame: RecordFrame, raw: Buffer, isNeeded: (blob: number) => boolean): void {
    let at = 0;
    for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
      const length = record.lengths.readUInt32LE(blob * 4);
      const id = record.ids.subarray(blob * ID_BYTES, (blob + 1) * ID_BYTES);
      if (isNeeded(blob)) this.#addBlob(frame.codec, id, raw.subarray(at, at + length));
      at += length;
    }
  }

  /** Closes the frames that are not full. */
  flush(): void {
    for (const [codec, frame] of this.#frames) this.#close(codec, frame);
  }

  #addBlob(codec: Codec, id: Buffer, bytes: Buffer): void {
    const frame = this.#frames.get(codec) ?? { raw: Buffer.alloc(0), length: 0, ids: [], lengths: [] };
    this.#frames.set(codec, frame);
    if (frame.length + bytes.length > this.#target) this.#close(codec, frame);
    const room = Math.max(this.#target, bytes.length);
    if (frame.raw.length < room) frame.raw = Buffer.allocUnsafeSlow(room);
    bytes.copy(frame.raw, frame.length);
    frame.length += bytes.length;
    frame.ids.push(Buffer.from(id));
    frame.lengths.push(bytes.length);
    if (frame.lengths.length >= MAX_FRAME_BLOBS) this.#close(codec, frame);
  }

  #close(codec: Codec, frame: OpenFrame): void {
    const { raw, length, ids, lengths } = frame;
    if (lengths.length === 0) return;
    this.#packs.addFrame(raw.subarray(0, length), Buffer.concat(ids), lengths, codec !== RAW);
    frame.length = 0;
    frame.ids = [];
    frame.lengths = [];
  }
}

interface OpenFrame {
  /** Room for the blobs. */
  raw: Buffer;
  length: number;
  ids: Buffer[];
  lengths: number[];
}
