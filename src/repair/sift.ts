import { Buffer } from 'node:buffer';
import { type ErrorCode, VarveError } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import { ID_BYTES } from '../format/limits.js';
import { blobCount, framesOf, type PackRecord, type RecordFrame } from '../format/pack-record.js';
import { BlobIndexBuilder } from '../repository/index/blob-index.js';
import { FrameOpener, PackKeyRing } from '../repository/reading/blob-reader.js';
import type { Repository } from '../repository/repository.js';

/** `role`: what a pack says of its epoch may be changed as all else. */
const ABOUT_FRAMES: readonly ErrorCode[] = ['damaged', 'role'];

export interface Blob {
  readonly id: Buffer;
  readonly bytes: Buffer;
}

/** What can be read of a pack. */
export interface Sifted {
  readonly record: PackRecord;
  /** Frames that open, with nothing in them but what the ids say. */
  readonly frames: readonly RecordFrame[];
  /** Of each frame that opens and is not such, the blobs that are what their ids say. */
  readonly parts: readonly (readonly Blob[])[];
  /** Ids of the blobs in both. */
  readonly good: readonly Buffer[];
  readonly bad: readonly Buffer[];
}

/**
 * Opens all frames of a pack.
 *
 * @param pack what is said of the pack: believed only as far as it proves true
 * @param bytes what there is of the pack
 */
export function sift({ keys }: Repository, pack: IndexedPack, bytes: Buffer): Sifted {
  const { record } = pack;
  const builder = new BlobIndexBuilder(blobCount(record));
  builder.add(pack);
  const opener = new FrameOpener(builder.build(), keys, new PackKeyRing(keys));
  const sifted = {
    record,
    frames: [] as RecordFrame[],
    parts: [] as Blob[][],
    good: [] as Buffer[],
    bad: [] as Buffer[],
  };
  for (const [number, frame] of [...framesOf(record)].entries()) {
    const raw = tryToOpen(opener, number, storedFrame(bytes, frame));
    const blobs = blobsOf(record, frame, raw);
    const isGood = ({ id, bytes: blob }: Blob): boolean => blob.length > 0 && opener.matches(id, record.kind, blob);
    const good = blobs.filter(isGood);
    if (good.length === blobs.length) sifted.frames.push(frame);
    else if (good.length > 0) sifted.parts.push(good);
    for (const blob of blobs) (good.includes(blob) ? sifted.good : sifted.bad).push(blob.id);
  }
  return sifted;
}

export const storedFrame = (pack: Buffer, { offset, storedLength }: RecordFrame): Buffer =>
  pack.subarray(offset, offset + storedLength);

/** No bytes when it does not open. */
function tryToOpen(opener: FrameOpener, number: number, stored: Buffer): Buffer {
  try {
    // Opening writes over what it is given.
    return opener.open(opener.index.frame(number), Buffer.from(stored));
  } catch (cause) {
    if (!ABOUT_FRAMES.includes(VarveError.from(cause).code)) throw cause;
    return Buffer.alloc(0);
  }
}

function blobsOf({ ids, lengths }: PackRecord, { firstBlob, blobs }: RecordFrame, raw: Buffer): Blob[] {
  let at = 0;
  return Array.from({ length: blobs }, (_, number) => {
    const blob = firstBlob + number;
    const start = at;
    at += lengths.readUInt32LE(blob * 4);
    return { id: ids.subarray(blob * ID_BYTES, (blob + 1) * ID_BYTES), bytes: raw.subarray(start, at) };
  });
}
