// Which blobs a search looks for: by prefixes of their ids, or by the packs that hold them.
// The search itself is in search.ts.

import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import { BlobSet } from './blob-set.js';

/** A set of blob ids to look for. */
export interface BlobFilter {
  has(id: Buffer): boolean;
}

/** Blobs whose id begins with one of these prefixes, whether the index has them or not. */
export class IdPrefixes implements BlobFilter {
  /** Prefixes by their number of digits. */
  readonly #prefixes = new Map<number, Set<string>>();

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const prefix = hexDigits(text);
      const same = this.#prefixes.get(text.length) ?? new Set();
      this.#prefixes.set(text.length, same.add(prefix));
    }
  }

  has(id: Buffer): boolean {
    return this.matches(id.toString('hex'));
  }

  /** Whether an id, as hexadecimal digits, has one of the prefixes. */
  matches(id: string): boolean {
    for (const [digits, prefixes] of this.#prefixes) if (prefixes.has(id.slice(0, digits))) return true;
    return false;
  }
}

/** Blobs in packs whose names begin with one of these prefixes. */
export class BlobsOfPacks implements BlobFilter {
  readonly #index: BlobIndex;
  readonly #blobs: BlobSet;

  /** @throws VarveError `not-found` */
  constructor(index: BlobIndex, texts: readonly string[]) {
    this.#index = index;
    this.#blobs = new BlobSet(index);
    const missing = new Set(texts.map(hexDigits));
    const wanted = [...missing];
    for (let pack = 0; pack < index.packCount; pack++) {
      const name = index.packName(pack);
      const prefixes = wanted.filter((text) => name.startsWith(text));
      for (const text of prefixes) missing.delete(text);
      if (prefixes.length > 0) this.#addPack(pack);
    }
    const [first] = missing;
    if (first !== undefined) throw new VarveError('not-found', `pack ${first}: not in the index`);
  }

  #addPack(pack: number): void {
    const { first, end } = this.#index.framesOf(pack);
    for (let number = first; number < end; number++) {
      const { firstBlob, blobs } = this.#index.frame(number);
      for (let blob = firstBlob; blob < firstBlob + blobs; blob++) this.#blobs.add(this.#index.firstOf(blob));
    }
  }

  has(id: Buffer): boolean {
    return this.#blobs.has(this.#index.find(id));
  }
}

function hexDigits(text: string): string {
  if (/^[0-9a-f]+$/.test(text) && text.length <= 2 * ID_BYTES) return text;
  throw new VarveError('usage', `"${text}" is not an id or the prefix of one: use hexadecimal digits`);
}
