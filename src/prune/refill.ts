import type { Buffer } from 'node:buffer';
import type { BlobKind } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';
import { type PackRecord, RAW, type RecordFrame } from '../format/pack-record.js';
import { FrameFiller } from '../repository/packs/frame-filler.js';
import type { PackWriter } from '../repository/packs/pack-writer.js';

/** Fills new frames with the needed blobs of opened frames. Compressed and uncompressed blobs go into separate frames. */
export class Refill {
  readonly #frames: FrameFiller;

  constructor(kind: BlobKind, packs: PackWriter) {
    this.#frames = new FrameFiller(kind, packs);
  }

  /**
   * @param raw the frame's plaintext
   * @param isNeeded called for each blob with its number in the record
   */
  add(record: PackRecord, frame: RecordFrame, raw: Buffer, isNeeded: (blob: number) => boolean): void {
    let at = 0;
    for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
      const length = record.lengths.readUInt32LE(blob * 4);
      const id = record.ids.subarray(blob * ID_BYTES, (blob + 1) * ID_BYTES);
      if (isNeeded(blob)) this.#frames.add(id, raw.subarray(at, at + length), frame.codec !== RAW);
      at += length;
    }
  }

  /** Closes the frames that are not full. */
  flush(): void {
    this.#frames.flush();
  }
}
