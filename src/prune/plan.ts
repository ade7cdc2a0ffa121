import type { RepositoryKeys } from '../crypto/hierarchy.js';
import { type BlobKind, TREE } from '../format/content.js';
import { RAW } from '../format/pack-record.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import type { IndexedRepository } from '../repository/index/index-store.js';

/** A pack and what of it snapshots need. Bytes are those of frames as they are stored. */
export interface PackUse {
  readonly number: number;
  readonly name: string;
  readonly kind: BlobKind;
  readonly blobs: number;
  readonly neededBlobs: number;
  readonly duplicates: number;
  readonly duplicateBytes: number;
  readonly bytes: number;
  /** The part of `bytes` that is of blobs that are needed. */
  readonly neededBytes: number;
  /** When it is copied: bytes of frames that are copied as they are, with what nobody needs of them. */
  readonly sealedBytes: number;
  /** When it is copied: what is needed of frames that are opened for that. */
  readonly refilledBytes: number;
  /** Bytes of frames with something needed that are not compressed, and that the key opens. */
  readonly uncompressedBytes: number;
}

export interface PlanOptions {
  /** How much that nobody needs may stay. */
  readonly maxUnused: Unused;
  /** Bytes that are copied at most. */
  readonly maxRepack: number;
  /** Packs with fewer bytes are put together; 0 for none. */
  readonly small: number;
  /** Whether packs with frames that are not compressed are copied too. */
  readonly uncompressed: boolean;
  /** Whether packs of file contents stay as they are, unless nothing of them is needed. */
  readonly treesOnly?: boolean;
}

/** Bytes, or a part of what remains. */
export type Unused = { readonly bytes: number } | { readonly part: number };

export interface Plan {
  readonly keep: readonly PackUse[];
  readonly remove: readonly PackUse[];
  readonly repack: readonly PackUse[];
  /** Those of them that are copied only if that makes a frame smaller: nothing else is to be gained. */
  readonly recompress: ReadonlySet<PackUse>;
  /** Whether no more than what may stay of what nobody needs stays. */
  readonly enough: boolean;
  /** Condemned packs that snapshots need: they are taken back. */
  readonly reinstate: readonly string[];
}

/** To open and fill frames anew takes so much longer than to copy as many bytes of frames as they are. */
const REFILL_WORK = 8;

/** What is written when the pack is copied. */
export const copiedBytes = ({ sealedBytes, refilledBytes }: PackUse): number => sealedBytes + refilledBytes;

/** What snapshots need, by the blob's number in the index. */
export type Needed = { has(blob: number): boolean };

/**
 * Counts what of each pack is needed. Of a blob in several packs the index finds one: the others are duplicates.
 *
 * @param tolerated frames of which less than this part is waste are copied as they are
 */
export function usesOf({ index, keys }: IndexedRepository, needed: Needed, tolerated = 0): PackUse[] {
  return Array.from({ length: index.packCount }, (_, number) =>
    useOf(index, number, needed, opensFrames(keys, index.packKind(number)), tolerated),
  );
}

/** Whether the key opens frames of a kind: then what nobody needs of one can be left out when it is copied. */
export function opensFrames(keys: RepositoryKeys, kind: BlobKind): boolean {
  return keys.has(kind === TREE ? 'manage' : 'full');
}

function useOf(index: BlobIndex, number: number, needed: Needed, opens: boolean, tolerated: number): PackUse {
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
      } else if (index.firstOf(blob) !== blob) {
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
  return { number, name: index.packName(number), kind: index.packKind(number), ...sums };
}

/** @param waste the part of a frame's bytes that nobody needs */
export const isTolerable = (waste: number, tolerated: number): boolean => waste === 0 || waste < tolerated;

/**
 * Decides as restic does: packs without anything needed go, then others are copied until little enough stays: those first where that frees the
 * most for the least work.
 */
export function makePlan(uses: readonly PackUse[], condemned: ReadonlySet<string>, options: PlanOptions): Plan {
  const standing = uses.filter(({ name }) => !condemned.has(name));
  const remove = standing.filter(({ neededBlobs }) => neededBlobs === 0);
  const used = standing.filter(({ neededBlobs }) => neededBlobs > 0);
  const movable = options.treesOnly === true ? used.filter(({ kind }) => kind === TREE) : used;
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
  const chosen: PackUse[] = [];
  let copied = 0;
  for (const pack of [...wasted, ...smallOnes.flat()]) {
    const wanted = isSmall(pack) || (gain(pack) > 0 && (unused > allowed || pack.kind === TREE));
    if (!wanted || copied + copiedBytes(pack) > maxRepack) continue;
    chosen.push(pack);
    copied += copiedBytes(pack);
    unused -= gain(pack);
  }
  return { chosen, enough: unused <= allowed };
}

function byKind(packs: readonly PackUse[]): Iterable<PackUse[]> {
  const kinds = new Map<BlobKind, PackUse[]>();
  for (const pack of packs) kinds.set(pack.kind, [...(kinds.get(pack.kind) ?? []), pack]);
  return kinds.values();
}
