import type { Buffer } from 'node:buffer';
import type { IndexedPack } from '../../format/index-object.js';
import { ID_BYTES } from '../../format/limits.js';
import { frameAt, frameCount } from '../../format/pack-record.js';
import { BlobIndex, FRAME_WORDS, PREFIX_WORDS, type SharedBlobIndex, TWO_32 } from './blob-index.js';
import { PackList } from './pack-list.js';

const SLOTS_PER_BLOB = 1 / 0.75;

/** Builds a BlobIndex from packs, the most trusted first. Of a blob that is stored several times, the first copy comes first. */
export class BlobIndexBuilder {
  readonly #prefixes: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #frames: Uint32Array;
  /** A name comes twice only where nobody vouches for what the pack is said to hold. */
  readonly #list = new PackList();
  readonly #names: Buffer[] = [];
  readonly #vouched: number[] = [];
  readonly #writers: Buffer[] = [];
  readonly #kinds: number[] = [];
  readonly #firstFrame: number[] = [];
  readonly #firstKey: number[] = [];
  readonly #keys: Buffer[] = [];
  #blobs = 0;
  #frameCount = 0;
  #usable: number | undefined;

  /** @param maxBlobs an upper bound: pages that are never written take no memory */
  constructor(maxBlobs: number) {
    this.#prefixes = sharedU32(maxBlobs * PREFIX_WORDS);
    this.#lengths = sharedU32(maxBlobs);
    this.#frames = sharedU32(maxBlobs * FRAME_WORDS);
  }

  /** Each name once. */
  get packNames(): IterableIterator<string> {
    return this.#list.names;
  }

  /** A backup may not rely on packs that are added from now on. */
  endUsable(): void {
    this.#usable ??= this.#blobs;
  }

  /** Ignores what was said before about a pack, and what contradicts someone who vouches for it. */
  add(pack: IndexedPack): void {
    if (!this.#list.add(pack)) return;
    this.#names.push(pack.name);
    this.#vouched.push(pack.vouched ? 1 : 0);
    this.#writers.push(pack.writer);
    this.#kinds.push(pack.record.kind);
    this.#firstFrame.push(this.#frameCount);
    this.#firstKey.push(this.#keys.length);
    this.#keys.push(...pack.record.keys);
    this.#addFrames(pack);
    this.#addBlobs(pack.record.ids, pack.record.lengths);
  }

  build(): BlobIndex {
    const { slots, copies, lengthsDiffer } = this.#buildSlots();
    return new BlobIndex({
      blobs: this.#blobs,
      usable: this.#usable ?? this.#blobs,
      relied: new Uint8Array(new SharedArrayBuffer(this.#blobs)),
      rejected: new Uint8Array(new SharedArrayBuffer(this.#blobs)),
      rejections: new Int32Array(new SharedArrayBuffer(4)),
      copies,
      lengthsDiffer,
      prefixes: this.#prefixes,
      lengths: this.#lengths,
      slots,
      frames: this.#frames,
      frameCount: this.#frameCount,
      packNames: concatShared(this.#names),
      packKinds: concatShared([Uint8Array.from(this.#kinds)]),
      packVouched: concatShared([Uint8Array.from(this.#vouched)]),
      packWriters: concatShared(this.#writers),
      packFirstFrame: shareWords(this.#firstFrame),
      packFirstKey: shareWords(this.#firstKey),
      keys: concatShared(this.#keys),
    });
  }

  #addFrames({ record }: IndexedPack): void {
    let blob = this.#blobs;
    for (let number = 0; number < frameCount(record); number++) {
      const frame = frameAt(record, number);
      const at = this.#frameCount++ * FRAME_WORDS;
      this.#frames[at] = frame.offset;
      this.#frames[at + 1] = frame.storedLength | (frame.codec << 31);
      this.#frames[at + 2] = (frame.key << 16) | frame.counter;
      this.#frames[at + 3] = blob;
      blob += frame.blobs;
    }
  }

  #addBlobs(ids: Buffer, lengths: Buffer): void {
    const count = lengths.length / 4;
    for (let i = 0; i < count; i++) {
      const at = this.#blobs++;
      for (let word = 0; word < PREFIX_WORDS; word++) {
        this.#prefixes[at * PREFIX_WORDS + word] = ids.readUInt32LE(i * ID_BYTES + word * 4);
      }
      this.#lengths[at] = lengths.readUInt32LE(i * 4);
    }
  }

  #buildSlots(): Pick<SharedBlobIndex, 'slots' | 'copies' | 'lengthsDiffer'> {
    const capacity = Math.ceil(this.#blobs * SLOTS_PER_BLOB) + 1;
    const slots = sharedU32(capacity);
    const pairs: (readonly [first: number, copy: number])[] = [];
    for (let blob = 0; blob < this.#blobs; blob++) {
      const first = this.#insert(slots, capacity, blob);
      if (first >= 0) pairs.push([first, blob]);
    }
    pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const lengthsDiffer = pairs.some(([first, copy]) => this.#lengths[first] !== this.#lengths[copy]);
    return { slots, copies: shareWords(pairs.flat()), lengthsDiffer };
  }

  /** @returns the number of the first copy of the blob, if this is not the first; else -1 */
  #insert(slots: Uint32Array, capacity: number, blob: number): number {
    const prefixes = this.#prefixes;
    const at = blob * PREFIX_WORDS;
    let slot = Math.floor(((prefixes[at] as number) / TWO_32) * capacity);
    for (let other = slots[slot] as number; other !== 0; other = slots[slot] as number) {
      if (samePrefix(prefixes, at, (other - 1) * PREFIX_WORDS)) return other - 1;
      if (++slot === capacity) slot = 0;
    }
    slots[slot] = blob + 1;
    return -1;
  }
}

function samePrefix(prefixes: Uint32Array, a: number, b: number): boolean {
  for (let word = 0; word < PREFIX_WORDS; word++) {
    if (prefixes[a + word] !== prefixes[b + word]) return false;
  }
  return true;
}

function sharedU32(length: number): Uint32Array {
  return new Uint32Array(new SharedArrayBuffer(length * 4));
}

function shareWords(words: readonly number[]): Uint32Array {
  const out = sharedU32(words.length);
  out.set(words);
  return out;
}

function concatShared(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(new SharedArrayBuffer(parts.reduce((sum, part) => sum + part.length, 0)));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
