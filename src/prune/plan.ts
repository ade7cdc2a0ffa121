import type { RepositoryKeys } from '../crypto/hierarchy.js';
import { type BlobKind, TREE } from '../format/content.js';
import type { BlobIndex } from '../repository/blob-index.js';
import type { IndexedRepository } from '../repository/index-store.js';

/** What is to become of a pack that the index lists. */
export type Fate = 'keep' | 'remove' | 'repack';

/** A pack and what of it snapshots need. Bytes are those of frames as they are stored. */
export interface PackUse {
  readonly number: number;
  readonly name: string;
  readonly kind: BlobKind;
  readonly blobs: number;
  readonly neededBlobs: number;
  readonly duplicates: number;
  readonly bytes: number;
  /** What is left of `bytes` when it is copied. */
  readonly neededBytes: number;
}

export interface PlanOptions {
  /** How much that nobody needs may stay. */
  readonly maxUnused: Unused;
  /** Bytes that are copied at most. */
  readonly maxRepack: number;
  /** Packs with fewer bytes are put together; 0 for none. */
  readonly small: number;
}

/** Bytes, or a part of what remains. */
export type Unused = { readonly bytes: number } | { readonly part: number };

export interface Plan {
  readonly keep: readonly PackUse[];
  readonly remove: readonly PackUse[];
  readonly repack: readonly PackUse[];
  /** Condemned packs that snapshots need: they are taken back. */
  readonly reinstate: readonly string[];
}

/** What snapshots need, by the blob's number in the index. */
export type Needed = { has(blob: number): boolean };

/** Counts what of each pack is needed. Of a blob in several packs the index finds one: the others are duplicates. */
export function usesOf({ index, keys }: IndexedRepository, needed: Needed): PackUse[] {
  return Array.from({ length: index.packCount }, (_, number) =>
    useOf(index, number, needed, opensFrames(keys, index.packKind(number))),
  );
}

/** Whether the key opens frames of a kind: then what nobody needs of one is left out when it is copied. */
export function opensFrames(keys: RepositoryKeys, kind: BlobKind): boolean {
  return keys.has(kind === TREE ? 'manage' : 'full');
}

function useOf(index: BlobIndex, number: number, needed: Needed, opens: boolean): PackUse {
  const sums = { blobs: 0, neededBlobs: 0, duplicates: 0, bytes: 0, neededBytes: 0 };
  const { first, end } = index.framesOf(number);
  for (let each = first; each < end; each++) {
    const frame = index.frame(each);
    let used = 0;
    let usedBytes = 0;
    for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
      if (needed.has(blob)) {
        used++;
        usedBytes += index.lengthOf(blob);
      } else if (index.firstOf(blob) !== blob) sums.duplicates++;
    }
    sums.blobs += frame.blobs;
    sums.neededBlobs += used;
    sums.bytes += frame.storedLength;
    const part = opens ? usedBytes / frame.rawLength : 1;
    if (used > 0) sums.neededBytes += Math.ceil(frame.storedLength * part);
  }
  return { number, name: index.packName(number), kind: index.packKind(number), ...sums };
}

/** Decides as restic does: packs without anything needed go, then those with the most waste are copied until little enough stays. */
export function makePlan(uses: readonly PackUse[], condemned: ReadonlySet<string>, options: PlanOptions): Plan {
  const standing = uses.filter(({ name }) => !condemned.has(name));
  const remove = standing.filter(({ neededBlobs }) => neededBlobs === 0);
  const used = standing.filter(({ neededBlobs }) => neededBlobs > 0);
  const repack = new Set(chooseRepack(used, options));
  return {
    keep: used.filter((pack) => !repack.has(pack)),
    remove,
    repack: [...repack].sort((a, b) => a.number - b.number),
    reinstate: uses.flatMap(({ name, neededBlobs }) => (condemned.has(name) && neededBlobs > 0 ? [name] : [])),
  };
}

function chooseRepack(used: readonly PackUse[], { maxUnused, maxRepack, small }: PlanOptions): PackUse[] {
  const waste = ({ bytes, neededBytes }: PackUse): number => bytes - neededBytes;
  const isSmall = ({ bytes }: PackUse): boolean => bytes < small;
  const wasted = used.filter((pack) => waste(pack) > 0);
  const smallOnes = [...byKind(used.filter((pack) => waste(pack) === 0 && isSmall(pack)))].filter(
    (set) => set.length > 1,
  );
  // Packs of trees come first, as every command reads them; then what gains most for what is copied.
  wasted.sort((a, b) => Number(b.kind === TREE) - Number(a.kind === TREE) || waste(b) / b.bytes - waste(a) / a.bytes);
  let unused = wasted.reduce((sum, pack) => sum + waste(pack), 0);
  const remaining = used.reduce((sum, { neededBytes }) => sum + neededBytes, 0);
  const allowed = 'bytes' in maxUnused ? maxUnused.bytes : (maxUnused.part / (1 - maxUnused.part)) * remaining;
  const chosen: PackUse[] = [];
  let copied = 0;
  for (const pack of [...wasted, ...smallOnes.flat()]) {
    const wanted = isSmall(pack) || (waste(pack) > 0 && (unused > allowed || pack.kind === TREE));
    if (!wanted || copied + pack.neededBytes > maxRepack) continue;
    chosen.push(pack);
    copied += pack.neededBytes;
    unused -= waste(pack);
  }
  return chosen;
}

function byKind(packs: readonly PackUse[]): Iterable<PackUse[]> {
  const kinds = new Map<BlobKind, PackUse[]>();
  for (const pack of packs) kinds.set(pack.kind, [...(kinds.get(pack.kind) ?? []), pack]);
  return kinds.values();
}
