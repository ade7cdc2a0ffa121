// Reads the copies of needed blobs that stay, before a prune drops other copies of them (SPEC.md section 10).
// plan.ts decides which packs go.
import { throwIfInterrupted, type VarveError } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import { type IndexedRepository, indexedPack } from '../repository/index/index-store.js';
import { type PackVerdict, readVerdict } from '../repository/reading/pack-verifier.js';
import type { NeededBlobs } from './needed.js';
import type { PruneOptions } from './options.js';
import type { Plan } from './plan.js';

/** What a prune has read of packs that stay. It is remembered by name, as numbers change with each new index. */
export class KeptCopies {
  /** Names of packs that stay as they are: not all copies of their blobs could be judged. */
  readonly kept = new Set<string>();
  /** Packs to vouch for, by name: they were read, and nobody vouched for them before. */
  readonly proven = new Map<string, IndexedPack>();
  errors = 0;
  readonly #needed: NeededBlobs;
  readonly #options: Pick<PruneOptions, 'signal' | 'onEvent'>;
  readonly #read = new Set<string>();

  constructor(needed: NeededBlobs, options: Pick<PruneOptions, 'signal' | 'onEvent'>) {
    this.#needed = needed;
    this.#options = options;
  }

  /** Gives up all copies in packs that the store lacks. */
  giveUpMissing(indexed: IndexedRepository, stored: { has(name: string): boolean }): void {
    const { index } = indexed;
    const missing: number[] = [];
    for (let pack = 0; pack < index.packCount; pack++)
      if (!stored.has(index.packName(pack))) missing.push(...blobsOf(indexed, pack));
    if (missing.length > 0) this.#needed.giveUp(indexed, missing);
  }

  /**
   * Reads the packs with the copies that stay when the plan is carried out, as far as it has not read them before.
   *
   * @returns whether the plan must be made again
   */
  async verify(indexed: IndexedRepository, plan: Plan): Promise<boolean> {
    const packs = [...this.#keepers(indexed, plan), ...contradictory(indexed)];
    const unread = [...new Set(packs)].filter((pack) => !this.#read.has(keyOf(indexed, pack)));
    for (const [done, pack] of unread.entries()) {
      throwIfInterrupted(this.#options.signal);
      this.#judge(indexed, pack, await readVerdict(indexed, pack));
      this.#read.add(keyOf(indexed, pack));
      this.#options.onEvent?.({ kind: 'compared', done: done + 1, total: unread.length });
    }
    return unread.length > 0;
  }

  /** The packs with the needed copies of blobs of which the plan drops others. */
  #keepers({ index }: IndexedRepository, { remove, repack }: Plan): number[] {
    const dropped = new Set([...remove, ...repack].map(({ number }) => number));
    const packOf = (blob: number): number => index.packOf(index.locateFrame(blob));
    const keepers = new Set<number>();
    for (const blob of new Set(index.shared.copies)) {
      if (this.#needed.has(blob) || !dropped.has(packOf(blob))) continue;
      const keeper = index.copiesOf(blob).find((copy) => this.#needed.has(copy));
      if (keeper !== undefined) keepers.add(packOf(keeper));
    }
    return [...keepers];
  }

  #judge(indexed: IndexedRepository, pack: number, verdict: PackVerdict): void {
    const { index } = indexed;
    const name = index.packName(pack);
    if (verdict.kind === 'unopened') this.#keepAll(indexed, blobsOf(indexed, pack));
    else if (verdict.kind === 'bad') this.#giveUp(indexed, verdict.blobs, verdict.cause);
    else if (!index.isVouched(pack)) {
      const { size, directory } = verdict;
      const writer = Buffer.from(directory.signer.slot);
      this.proven.set(name, indexedPack(name, size, directory.record, { writer, vouched: true }));
    }
  }

  #giveUp(indexed: IndexedRepository, blobs: readonly number[], { message }: VarveError): void {
    const lost = this.#needed.giveUp(indexed, blobs);
    this.errors++;
    this.#options.onEvent?.({ kind: 'bad-copy', message });
    // Something may heal one of the copies yet.
    this.#keepAll(indexed, lost);
  }

  #keepAll({ index }: IndexedRepository, blobs: readonly number[]): void {
    for (const blob of blobs)
      for (const copy of index.copiesOf(blob)) this.kept.add(index.packName(index.packOf(index.locateFrame(copy))));
  }
}

function blobsOf({ index }: IndexedRepository, pack: number): number[] {
  const { first, end } = index.blobsOf(pack);
  return Array.from({ length: end - first }, (_, at) => first + at);
}

/** Packs of which different things are said, none of which anyone vouches for. */
function contradictory({ index }: IndexedRepository): number[] {
  const numbers = new Map<string, number[]>();
  for (let pack = 0; pack < index.packCount; pack++) {
    if (index.isVouched(pack)) continue;
    const name = index.packName(pack);
    numbers.set(name, [...(numbers.get(name) ?? []), pack]);
  }
  return [...numbers.values()].filter((each) => each.length > 1).flat();
}

/** A pack and what is said of it, in any index of this run. */
function keyOf({ index }: IndexedRepository, pack: number): string {
  const { first, end } = index.framesOf(pack);
  const frames = Array.from({ length: end - first }, (_, at) => {
    const { offset, storedLength, blobs } = index.frame(first + at);
    return `${offset} ${storedLength} ${blobs}`;
  });
  return `${index.packName(pack)} ${frames.join()}`;
}
