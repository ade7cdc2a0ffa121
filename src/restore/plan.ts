import type { Buffer } from 'node:buffer';
import type { Layout } from '../format/layout.js';
import type { BlobIndex } from '../repository/index/blob-index.js';

const MEBIBYTE = 1024 * 1024;

/** What makes up a range. */
export interface RangeLimits {
  /** Bytes of a pack that are fetched and handed to a worker together. */
  readonly bytes: number;
  /** Bytes that the frames of a range may have when opened. */
  readonly rawBytes: number;
  /** Bytes that are fetched in vain rather than starting another range. */
  readonly gap: number;
}

export const NEARBY: RangeLimits = { bytes: 4 * MEBIBYTE, rawBytes: 32 * MEBIBYTE, gap: MEBIBYTE / 4 };
/** Where each request takes long, and may cost money. A whole pack is had by one. */
export const FAR_AWAY: RangeLimits = { bytes: 24 * MEBIBYTE, rawBytes: 256 * MEBIBYTE, gap: MEBIBYTE };

/** A file that is to be restored. */
export interface WantedFile {
  readonly path: Buffer;
  /** Its encoded entry. */
  readonly raw: Buffer;
  /** Of the file, and of its stream: bytes. */
  readonly size: number;
  readonly stored: number;
  /** Its blobs. */
  readonly ids: Buffer;
  readonly layout: Layout | undefined;
  /** Attributes and holes that are too long for the entry. */
  readonly xattrs: Buffer | undefined;
  readonly holes: Buffer | undefined;
  /** Whether a file is there, and what an earlier run left of this one. */
  readonly existing: boolean;
  readonly part: Buffer | undefined;
}

/** A file as it is restored. */
export class PlannedFile {
  readonly wanted: WantedFile;
  /** Ranges that still have something for it. */
  ranges = 0;
  /** Its name while it grows, when more than one range has something for it, or some of it was there. */
  temporary: Buffer | undefined;
  /** For each blob 1 when it was there. */
  kept: Uint8Array | undefined;
  /** Bytes of it that were told as restored. */
  told = 0;
  failed = false;

  constructor(wanted: WantedFile) {
    this.wanted = wanted;
  }

  get path(): Buffer {
    return this.wanted.path;
  }

  /** Bytes. */
  get size(): number {
    return this.wanted.size;
  }
}

export interface Use {
  readonly blob: number;
  readonly file: PlannedFile;
  /** Where it begins in the file's stream. */
  readonly stream: number;
  /** Number of the blob in the file. */
  readonly part: number;
}

/** A piece of a pack, and what it is needed for. */
export interface Range {
  readonly pack: number;
  readonly start: number;
  end: number;
  rawBytes: number;
  readonly frames: { readonly frame: number; readonly uses: Use[] }[];
}

/** What is to be fetched for the uses. Blobs are numbered in the order in which they lie in the packs. */
export function rangesOf(uses: Use[], index: BlobIndex, limits: RangeLimits): Range[] {
  const ranges: Range[] = [];
  let range: Range | undefined;
  let frame = -1;
  for (const use of uses.sort((a, b) => a.blob - b.blob)) {
    const location = index.locateFrame(use.blob);
    if (location !== frame) {
      frame = location;
      range = extend(range, ranges, frame, index, limits);
    }
    (range as Range).frames.at(-1)?.uses.push(use);
  }
  return ranges;
}

function extend(
  range: Range | undefined,
  ranges: Range[],
  frame: number,
  index: BlobIndex,
  limits: RangeLimits,
): Range {
  const { pack, offset, storedLength, rawLength } = index.frame(frame);
  const end = offset + storedLength;
  const joins =
    range !== undefined &&
    range.pack === pack &&
    offset - range.end <= limits.gap &&
    end - range.start <= limits.bytes &&
    range.rawBytes + rawLength <= limits.rawBytes;
  const next = joins ? range : { pack, start: offset, end, rawBytes: 0, frames: [] };
  if (!joins) ranges.push(next);
  next.end = end;
  next.rawBytes += rawLength;
  next.frames.push({ frame, uses: [] });
  return next;
}

export function filesOf(frames: Range['frames']): Set<PlannedFile> {
  const files = new Set<PlannedFile>();
  for (const { uses } of frames) for (const { file } of uses) files.add(file);
  return files;
}
