// Plans which ranges of packs to fetch for which files.
// window.ts fetches them and has them written.
import type { Buffer } from 'node:buffer';
import type { Layout } from '../format/layout.js';
import type { BlobIndex } from '../repository/index/blob-index.js';

const MEBIBYTE = 1024 * 1024;

/** Limits of a range. */
export interface RangeLimits {
  /** Bytes of a pack that one request fetches and one task gets. */
  readonly bytes: number;
  /** Decompressed bytes of the frames in a range. */
  readonly rawBytes: number;
  /** A gap of at most so many unneeded bytes is fetched rather than starting another range. */
  readonly gap: number;
}

export const LOCAL_LIMITS: RangeLimits = { bytes: 4 * MEBIBYTE, rawBytes: 32 * MEBIBYTE, gap: MEBIBYTE / 4 };
/** For remote stores, where each request takes long and may cost money: one range can be a whole pack. */
export const REMOTE_LIMITS: RangeLimits = { bytes: 24 * MEBIBYTE, rawBytes: 256 * MEBIBYTE, gap: MEBIBYTE };

/** A file to restore. */
export interface WantedFile {
  readonly path: Buffer;
  /** Its encoded entry. */
  readonly raw: Buffer;
  /** Bytes of the file, with holes. */
  readonly size: number;
  /** Bytes of its data, without holes. */
  readonly stored: number;
  /** Ids of its blobs. */
  readonly ids: Buffer;
  readonly layout: Layout | undefined;
  /** Attributes and holes that are too long for the entry. */
  readonly xattrs: Buffer | undefined;
  readonly holes: Buffer | undefined;
  /** Whether a file of this name exists. */
  readonly existing: boolean;
  /** Name of the partly written file that an earlier run left. */
  readonly part: Buffer | undefined;
}

/** The state of a file during the restore. */
export class PlannedFile {
  readonly wanted: WantedFile;
  /** Number of ranges that still have data for it. */
  ranges = 0;
  /** Its temporary name, when several ranges have data for it or part of it existed. */
  temporary: Buffer | undefined;
  /** One byte for each blob: 1 when it existed. */
  kept: Uint8Array | undefined;
  /** Bytes of it that were counted as restored. */
  reported = 0;
  failed = false;
  /** Whether it failed because of a copy of a blob, and other copies can be tried. */
  again = false;

  constructor(wanted: WantedFile) {
    this.wanted = wanted;
  }

  get path(): Buffer {
    return this.wanted.path;
  }

  get size(): number {
    return this.wanted.size;
  }
}

export interface Use {
  readonly blob: number;
  readonly file: PlannedFile;
  /** Offset in the file's data (without holes). */
  readonly stream: number;
  /** Number of the blob in the file. */
  readonly part: number;
}

/** A range of a pack, and the uses of its blobs. */
export interface Range {
  readonly pack: number;
  readonly start: number;
  end: number;
  rawBytes: number;
  readonly frames: { readonly frame: number; readonly uses: Use[] }[];
}

/** The ranges to fetch. Blobs are numbered in the order in which they lie in the packs. */
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
