// Saves sound blobs out of a damaged pack.
// store-salvaged.ts stores them in new packs.
import { Buffer } from 'node:buffer';
import { type ErrorCode, VarveError } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import { ID_BYTES } from '../format/limits.js';
import { blobCount, framesOf, type PackRecord, type RecordFrame } from '../format/pack-record.js';
import { BlobIndexBuilder } from '../repository/index/blob-index-builder.js';
import { FrameOpener, PackKeyRing } from '../repository/reading/blob-reader.js';
import type { Repository } from '../repository/repository.js';

/** `role` as well: a pack's epoch may be damaged like the rest. */
const ABOUT_FRAMES: readonly ErrorCode[] = ['damaged', 'role'];

export interface Blob {
  readonly id: Buffer;
  readonly bytes: Buffer;
}

/** What can be saved of a pack. */
export interface Salvaged {
  readonly record: PackRecord;
  /** Frames that open and whose blobs all match their ids. */
  readonly frames: readonly RecordFrame[];
  /** For each other frame that opens, the blobs that match their ids. */
  readonly parts: readonly (readonly Blob[])[];
  /** Ids of the blobs in both. */
  readonly good: readonly Buffer[];
  readonly bad: readonly Buffer[];
}

/**
 * Opens all frames of a pack and compares their blobs with their ids.
 *
 * @param pack a description of the pack, which is trusted only where it proves right
 * @param bytes the pack's bytes, which may be damaged or cut short
 */
export function salvage({ keys }: Repository, pack: IndexedPack, bytes: Buffer): Salvaged {
  const { record } = pack;
  const builder = new BlobIndexBuilder(blobCount(record));
  builder.add(pack);
  const opener = new FrameOpener(builder.build(), keys, new PackKeyRing(keys));
  const salvaged = {
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
    if (good.length === blobs.length) salvaged.frames.push(frame);
    else if (good.length > 0) salvaged.parts.push(good);
    for (const blob of blobs) (good.includes(blob) ? salvaged.good : salvaged.bad).push(blob.id);
  }
  return salvaged;
}

export const storedFrame = (pack: Buffer, { offset, storedLength }: RecordFrame): Buffer =>
  pack.subarray(offset, offset + storedLength);

/** @returns no bytes when the frame does not open */
function tryToOpen(opener: FrameOpener, number: number, stored: Buffer): Buffer {
  try {
    // Opening overwrites its input.
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
