import type { ObjectInfo } from '../storage/store.js';
import type { PruneResult, Totals } from './options.js';
import { copiedBytes, type PackUse, type Plan } from './plan.js';

/** The figures of a plan, before any of it is carried out. */
export function resultOf(
  uses: readonly PackUse[],
  plan: Plan,
  condemned: ReadonlySet<string>,
  orphans: readonly string[],
  stored: ReadonlyMap<string, ObjectInfo>,
): PruneResult {
  const result = emptyResult();
  const sizeOf = (name: string): number => stored.get(name)?.size ?? 0;
  const add = (totals: Totals, names: readonly string[]): void => {
    totals.packs += names.length;
    for (const name of names) totals.bytes += sizeOf(name);
  };
  for (const use of uses) {
    if (condemned.has(use.name)) continue;
    result.blobs.total += use.blobs;
    result.blobs.used += use.neededBlobs;
    result.blobs.duplicate += use.duplicates;
    result.blobs.unused += use.blobs - use.neededBlobs - use.duplicates;
    result.bytes.total += use.bytes;
    result.bytes.used += use.neededBytes;
    result.bytes.unused += use.bytes - use.neededBytes;
    result.bytes.duplicate += use.duplicateBytes;
    result.bytes.uncompressed += use.uncompressedBytes;
    const unneeded = use.blobs - use.neededBlobs;
    result.packs[use.neededBlobs === 0 ? 'unused' : unneeded === 0 ? 'used' : 'partlyUsed']++;
  }
  for (const { bytes, neededBytes } of plan.keep) result.bytes.remainingUnused += bytes - neededBytes;
  for (const pack of plan.repack) result.bytes.remainingUnused += copiedBytes(pack) - pack.neededBytes;
  for (const pack of plan.repack) {
    result.blobs.repack += pack.blobs;
    result.blobs.repackRemove += pack.blobs - pack.neededBlobs;
    result.bytes.repack += pack.bytes;
    result.bytes.repackRemove += pack.bytes - copiedBytes(pack);
  }
  for (const pack of plan.remove) {
    result.blobs.remove += pack.blobs;
    result.bytes.remove += pack.bytes;
  }
  const names = (packs: readonly PackUse[]): string[] => packs.map(({ name }) => name);
  add(result.keep, names(plan.keep));
  add(result.remove, names(plan.remove));
  add(result.repack, names(plan.repack));
  add(result.orphans, orphans);
  add(result.reinstated, plan.reinstate);
  return result;
}

function emptyResult(): PruneResult {
  const none = (): Totals => ({ packs: 0, bytes: 0 });
  return {
    blobs: { used: 0, duplicate: 0, unused: 0, total: 0, repack: 0, repackRemove: 0, remove: 0 },
    bytes: {
      used: 0,
      duplicate: 0,
      unused: 0,
      total: 0,
      remainingUnused: 0,
      repack: 0,
      repackRemove: 0,
      remove: 0,
      uncompressed: 0,
    },
    packs: { used: 0, partlyUsed: 0, unused: 0 },
    keep: none(),
    remove: none(),
    repack: none(),
    copied: none(),
    orphans: none(),
    reinstated: none(),
    deleted: none(),
    waiting: none(),
    errors: 0,
  };
}
