import type { BlobIndex } from '../repository/index/blob-index.js';
import type { Finding } from './findings.js';

interface BadPack {
  /** Makes the finding when it is needed. */
  readonly finding: () => Finding;
  whole: boolean;
  readonly frames: Set<number>;
  readonly blobs: Set<number>;
}

/** Blobs of the index that cannot be read, by their numbers in it. The index then gives other copies of them. */
export class BadBlobs {
  readonly #index: BlobIndex;
  readonly #packs = new Map<number, BadPack>();

  constructor(index: BlobIndex) {
    this.#index = index;
  }

  /** @param finding the finding to report when a snapshot needs one of the blobs */
  addPack(pack: number, finding: () => Finding): void {
    this.#pack(pack, finding).whole = true;
    const { first, end } = this.#index.blobsOf(pack);
    for (let blob = first; blob < end; blob++) this.#index.reject(blob);
  }

  addFrame(frame: number, finding: () => Finding): void {
    this.#pack(this.#index.packOf(frame), finding).frames.add(frame);
    const { firstBlob, blobs } = this.#index.frame(frame);
    for (let blob = firstBlob; blob < firstBlob + blobs; blob++) this.#index.reject(blob);
  }

  addBlob(blob: number, finding: () => Finding): void {
    this.#pack(this.#index.packOf(this.#index.locateFrame(blob)), finding).blobs.add(blob);
    this.#index.reject(blob);
  }

  /** The finding about a blob's pack; undefined for a good blob. */
  of(blob: number): Finding | undefined {
    if (this.#packs.size === 0) return undefined;
    const frame = this.#index.locateFrame(blob);
    const bad = this.#packs.get(this.#index.packOf(frame));
    if (bad === undefined || !(bad.whole || bad.frames.has(frame) || bad.blobs.has(blob))) return undefined;
    return bad.finding();
  }

  #pack(pack: number, finding: () => Finding): BadPack {
    const known = this.#packs.get(pack);
    if (known !== undefined) return known;
    const bad = { finding, whole: false, frames: new Set<number>(), blobs: new Set<number>() };
    this.#packs.set(pack, bad);
    return bad;
  }
}
