import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { ID_BYTES } from '../format/limits.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import { BlobSet } from './blob-set.js';

/** Ids of blobs that are looked for. */
export interface BlobNames {
  has(id: Buffer): boolean;
}

/** Blobs whose id begins with one of these texts, whether the index has them or not. */
export class IdBeginnings implements BlobNames {
  /** By their number of digits. */
  readonly #beginnings = new Map<number, Set<string>>();

  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const beginning = hexDigits(text);
      const same = this.#beginnings.get(text.length) ?? new Set();
      this.#beginnings.set(text.length, same.add(beginning));
    }
  }

  has(id: Buffer): boolean {
    return this.begins(id.toString('hex'));
  }

  /** The same for an id as hexadecimal digits. */
  begins(id: string): boolean {
    for (const [digits, beginnings] of this.#beginnings) if (beginnings.has(id.slice(0, digits))) return true;
    return false;
  }
}

/** Blobs that lie in packs, by beginnings of the packs' names. */
export class BlobsOfPacks implements BlobNames {
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
      const beginnings = wanted.filter((text) => name.startsWith(text));
      for (const text of beginnings) missing.delete(text);
      if (beginnings.length > 0) this.#addPack(pack);
    }
    const [first] = missing;
    if (first !== undefined) throw new VarveError('not-found', `pack ${first}: in no part of the index`);
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
  throw new VarveError('usage', `"${text}" is not an id, nor the beginning of one: those are hexadecimal digits`);
}
