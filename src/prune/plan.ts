// Decides what a prune keeps, copies and condemns.
// survey.ts finds out what is needed; other files carry the plan out.
import { type BlobKind, TREE } from '../format/content.js';
import { RAW } from '../format/pack-record.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { opensFrames } from '../repository/reading/blob-reader.js';

/** A pack, and how much of it snapshots need. Bytes are stored bytes of frames. */
export interface PackUse {
  readonly number: number;
  readonly name: string;
  readonly kind: BlobKind;
  /** Whether a copy of it may be listed as this key's: it can be verified, or is vouched for. */
  readonly isMovable: boolean;
  readonly blobs: number;
  readonly neededBlobs: number;
  readonly duplicates: number;
  readonly duplicateBytes: number;
  readonly bytes: number;
  /** The part of `bytes` that belongs to needed blobs. */
  readonly neededBytes: number;
  /** Bytes of the frames that a copy takes whole, with their unneeded blobs. */
  readonly sealedBytes: number;
  /** Bytes of the needed blobs in frames that a copy opens. */
  readonly refilledBytes: number;
  /** Bytes of uncompressed frames that have needed blobs and that the key opens. */
  readonly uncompressedBytes: number;
}

export interface PlanOptions {
  /** How many unneeded bytes may stay. */
  readonly maxUnused: Unused;
  /** Bytes that are copied at most. */
  readonly maxRepack: number;
  /** Packs with fewer bytes are merged; 0 for none. */
  readonly small: number;
  /** Whether packs with uncompressed frames are copied too. */
  readonly uncompressed: boolean;
  /** Whether packs of file contents are never copied. */
  readonly treesOnly?: boolean;
  /** Names of packs that stay as they are: nobody knows which copies of their blobs are sound. */
  readonly kept?: ReadonlySet<string> | undefined;
}

/** Bytes, or a part of all bytes that remain. */
export type Unused = { readonly bytes: number } | { readonly part: number };

export interface Plan {
  readonly keep: readonly PackUse[];
  readonly remove: readonly PackUse[];
  readonly repack: readonly PackUse[];
  /** Packs in `repack` that are copied only if compression makes a frame smaller. */
  readonly recompress: ReadonlySet<PackUse>;
  /** Whether no more unneeded bytes stay than `maxUnused` allows. */
  readonly enough: boolean;
  /** Condemned packs that snapshots need: they are reinstated. */
  readonly reinstate: readonly string[];
}

/** The part of the unneeded bytes that may stay which may be copies of needed blobs: machines with append keys make them every day. */
const DOUBLED = 0.2;
/** Opening frames and filling new ones takes this many times as long as copying the same bytes sealed. */
const REFILL_WORK = 8;

/** Bytes that a copy of the pack writes. */
export const copiedBytes = ({ sealedBytes, refilledBytes }: PackUse): number => sealedBytes + refilledBytes;

/** The blobs that snapshots need, by their numbers in the index. */
export type Needed = { has(blob: number): boolean };

/**
 * Counts what is needed of each pack. The index finds one copy of a blob that is in several packs; the others are duplicates.
 *
 * @param tolerated frames with less than this part of waste are copied whole
 */
export function usesOf({ index, keys }: IndexedRepository, needed: Needed, tolerated = 0): PackUse[] {
  const stored = new Set(index.shared.copies);
  const isDuplicate = (blob: number): boolean =>
    stored.has(blob) && index.copiesOf(blob).some((copy) => needed.has(copy));
  return Array.from({ length: index.packCount }, (_, number) =>
    useOf(index, number, { needed, isDuplicate, opens: opensFrames(keys, index.packKind(number)), tolerated }),
  );
}

interface Counting {
  readonly needed: Needed;
  /** Whether another copy of an unneeded blob is needed. */
  readonly isDuplicate: (blob: number) => boolean;
  readonly opens: boolean;
  readonly tolerated: number;
}

function useOf(index: BlobIndex, number: number, counting: Counting): PackUse {
  const { needed, isDuplicate, opens, tolerated } = counting;
  const sums = {
    blobs: 0,
    neededBlobs: 0,
    duplicates: 0,
    duplicateBytes: 0,
    bytes: 0,
    neededBytes: 0,
    sealedBytes: 0,
    refilledBytes: 0,
    uncompressedBytes: 0,
  };
  const { first, end } = index.framesOf(number);
  for (let each = first; each < end; each++) {
    const frame = index.frame(each);
    let used = 0;
    let usedBytes = 0;
    let duplicateBytes = 0;
    for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
      if (needed.has(blob)) {
        used++;
        usedBytes += index.lengthOf(blob);
      } else if (isDuplicate(blob)) {
        sums.duplicates++;
        duplicateBytes += index.lengthOf(blob);
      }
    }
    sums.duplicateBytes += Math.floor(frame.storedLength * (duplicateBytes / frame.rawLength));
    sums.blobs += frame.blobs;
    sums.neededBlobs += used;
    sums.bytes += frame.storedLength;
    if (used === 0) continue;
    const part = usedBytes / frame.rawLength;
    const neededBytes = Math.ceil(frame.storedLength * part);
    sums.neededBytes += neededBytes;
    if (opens && frame.codec === RAW) sums.uncompressedBytes += frame.storedLength;
    if (!opens || isTolerable(1 - part, tolerated)) sums.sealedBytes += frame.storedLength;
    else sums.refilledBytes += neededBytes;
  }
  const isMovable = opens || index.isVouched(number);
  return { number, name: index.packName(number), kind: index.packKind(number), isMovable, ...sums };
}

/** @param waste the part of a frame's bytes that is not needed */
export const isTolerable = (waste: number, tolerated: number): boolean => waste === 0 || waste < tolerated;

/**
 * Decides as restic does: removes packs without a needed blob, then copies others until little enough waste stays. Packs that free the most for
 * the least work come first.
 */
export function makePlan(uses: readonly PackUse[], condemned: ReadonlySet<string>, options: PlanOptions): Plan {
  const standing = uses.filter(({ name }) => !condemned.has(name));
  const usedNames = new Set(standing.flatMap(({ name, neededBlobs }) => (neededBlobs > 0 ? [name] : [])));
  const isKept = ({ name }: PackUse): boolean => options.kept?.has(name) === true;
  const remove = standing.filter((pack) => !usedNames.has(pack.name) && !isKept(pack));
  const used = standing.filter(({ neededBlobs }) => neededBlobs > 0);
  const movable = used.filter(
    (pack) => pack.isMovable && !isKept(pack) && (options.treesOnly !== true || pack.kind === TREE),
  );
  const { chosen, enough } = chooseRepack(movable, options);
  const recompress = new Set(
    movable.filter((pack) => options.uncompressed && pack.uncompressedBytes > 0 && !chosen.includes(pack)),
  );
  const repack = new Set([...chosen, ...recompress]);
  return {
    enough,
    recompress,
    keep: used.filter((pack) => !repack.has(pack)),
    remove,
    repack: [...repack].sort((a, b) => a.number - b.number),
    reinstate: uses.flatMap(({ name, neededBlobs }) => (condemned.has(name) && neededBlobs > 0 ? [name] : [])),
  };
}

function chooseRepack(
  used: readonly PackUse[],
  { maxUnused, maxRepack, small }: PlanOptions,
): { readonly chosen: readonly PackUse[]; readonly enough: boolean } {
  const gain = (pack: PackUse): number => pack.bytes - copiedBytes(pack);
  const work = ({ sealedBytes, refilledBytes }: PackUse): number => 1 + sealedBytes + REFILL_WORK * refilledBytes;
  const isSmall = ({ bytes }: PackUse): boolean => bytes < small;
  const wasted = used.filter((pack) => gain(pack) > 0);
  const smallOnes = [...byKind(used.filter((pack) => gain(pack) === 0 && isSmall(pack)))].filter(
    (set) => set.length > 1,
  );
  // Packs of trees come first, as every command reads them.
  wasted.sort((a, b) => Number(b.kind === TREE) - Number(a.kind === TREE) || gain(b) / work(b) - gain(a) / work(a));
  let unused = used.reduce((sum, { bytes, neededBytes }) => sum + bytes - neededBytes, 0);
  const remaining = used.reduce((sum, { neededBytes }) => sum + neededBytes, 0);
  const allowed = 'bytes' in maxUnused ? maxUnused.bytes : (maxUnused.part / (1 - maxUnused.part)) * remaining;
  const mayDouble = DOUBLED * allowed;
  let doubled = used.reduce((sum, { duplicateBytes }) => sum + duplicateBytes, 0);
  const chosen: PackUse[] = [];
  let copied = 0;
  for (const pack of [...wasted, ...smallOnes.flat()]) {
    const isDoubled = pack.duplicateBytes > 0 && doubled > mayDouble;
    const wanted = isSmall(pack) || (gain(pack) > 0 && (unused > allowed || isDoubled || pack.kind === TREE));
    if (!wanted || copied + copiedBytes(pack) > maxRepack) continue;
    chosen.push(pack);
    copied += copiedBytes(pack);
    unused -= gain(pack);
    doubled -= pack.duplicateBytes;
  }
  return { chosen, enough: unused <= allowed && doubled <= mayDouble };
}

function byKind(packs: readonly PackUse[]): Iterable<PackUse[]> {
  const kinds = new Map<BlobKind, PackUse[]>();
  for (const pack of packs) kinds.set(pack.kind, [...(kinds.get(pack.kind) ?? []), pack]);
  return kinds.values();
}
