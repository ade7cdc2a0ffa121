import type { Buffer } from 'node:buffer';
import type { IndexedPack } from '../../format/index-object.js';
import type { PackRecord } from '../../format/pack-record.js';

/** What is said of packs, each statement once, and nothing that contradicts someone who vouches for a pack. */
export class PackList {
  readonly #listed = new Map<string, IndexedPack[]>();

  /** Each name once, in the order in which they were added. */
  get names(): IterableIterator<string> {
    return this.#listed.keys();
  }

  /** @returns false when it is left out. The most trusted statements must come first */
  add(pack: IndexedPack): boolean {
    const name = pack.name.toString('hex');
    const listed = this.#listed.get(name) ?? [];
    if (listed.some((other) => (other.vouched && !pack.vouched) || isSameRecord(other.record, pack.record)))
      return false;
    this.#listed.set(name, [...listed, pack]);
    return true;
  }
}

/** Packs without what a PackList leaves out, those that are vouched for first. */
export function withoutHidden(packs: readonly IndexedPack[]): IndexedPack[] {
  const list = new PackList();
  return packs.toSorted((a, b) => Number(b.vouched) - Number(a.vouched)).filter((pack) => list.add(pack));
}

function isSameRecord(a: PackRecord, b: PackRecord): boolean {
  return (
    a.kind === b.kind &&
    a.ids.equals(b.ids) &&
    a.lengths.equals(b.lengths) &&
    a.frames.equals(b.frames) &&
    a.keys.length === b.keys.length &&
    a.keys.every((key, at) => key.equals(b.keys[at] as Buffer))
  );
}
