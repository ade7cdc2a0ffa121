// The blobs of a repository in memory, in columns that all threads share, and the builder of these columns.
// Reading index objects is left to index-store.ts.
import type { Buffer } from 'node:buffer';
import { SLOT_ID_LENGTH } from '../../bytes/pack-constants.js';
import { asBuffer } from '../../bytes/views.js';
import type { BlobKind } from '../../format/content.js';
import type { IndexedPack } from '../../format/index-object.js';
import { ID_BYTES } from '../../format/limits.js';
import { type Codec, type Frame, frameAt, frameCount, WRAPPED_KEY_BYTES } from '../../format/pack-record.js';

import { PackList } from './pack-list.js';

/** u32 words kept of each id: 128 bits distinguish more blobs than anyone can store. */
const PREFIX_WORDS = 4;
/** u32 words of a frame: offset; stored length and codec (top bit); key number and counter; number of its first blob. */
const FRAME_WORDS = 4;
const SLOTS_PER_BLOB = 1 / 0.75;
const TWO_32 = 0x1_0000_0000;

/** The columns, all in shared memory: worker threads read them without a copy. */
export interface SharedBlobIndex {
  readonly blobs: number;
  /**
   * Blobs from this number on are in packs that are condemned, or that no one vouches for (trust.ts). A backup can read them but stores
   * them again.
   */
  readonly usable: number;
  readonly prefixes: Uint32Array;
  readonly lengths: Uint32Array;
  /** 1 for each blob that a new snapshot relies on. */
  readonly relied: Uint8Array;
  /** 1 for each copy of a blob that turned out to be unreadable, or not to be what its id says. */
  readonly rejected: Uint8Array;
  /** One number: how many copies were rejected. */
  readonly rejections: Int32Array;
  /** Pairs of numbers for each blob that is stored again: the first copy, and this one. Sorted. */
  readonly copies: Uint32Array;
  /** Whether copies of a blob are listed with different lengths. */
  readonly lengthsDiffer: boolean;
  /** A hash table with open addressing by the first word of the id. Each slot has the number of a blob + 1, or 0. */
  readonly slots: Uint32Array;
  readonly frames: Uint32Array;
  readonly frameCount: number;
  readonly packNames: Uint8Array;
  readonly packKinds: Uint8Array;
  /** 1 for each pack that is vouched for. */
  readonly packVouched: Uint8Array;
  /** The ids of the slots that assembled the packs. */
  readonly packWriters: Uint8Array;
  readonly packFirstFrame: Uint32Array;
  readonly packFirstKey: Uint32Array;
  readonly keys: Uint8Array;
}

/** The position of a blob. */
export interface BlobLocation {
  readonly pack: number;
  readonly frame: number;
  /** Within the frame's plaintext. */
  readonly offset: number;
  readonly length: number;
}

/** A frame with everything needed to open it. */
export interface LocatedFrame extends Omit<Frame, 'key'> {
  readonly pack: number;
  readonly wrappedKey: Buffer;
  readonly firstBlob: number;
}

/** All blobs of a repository, at about 31 bytes of memory each. */
export class BlobIndex {
  readonly shared: SharedBlobIndex;

  constructor(shared: SharedBlobIndex) {
    this.shared = shared;
  }

  get size(): number {
    return this.shared.blobs;
  }

  get packCount(): number {
    return this.shared.packKinds.length;
  }

  /** The number of the best copy of a blob that was not rejected, or -1. @param at where in `id` the 32 bytes begin */
  find(id: Buffer, at = 0): number {
    const first = this.#findPrefix(
      id.readUInt32LE(at),
      id.readUInt32LE(at + 4),
      id.readUInt32LE(at + 8),
      id.readUInt32LE(at + 12),
    );
    return first < 0 || this.shared.rejections[0] === 0 ? first : this.#bestOf(first);
  }

  /** The first copy that was not rejected; the first one when all were. */
  #bestOf(first: number): number {
    const { rejected } = this.shared;
    if (rejected[first] === 0) return first;
    return this.#copiesAfter(first).find((copy) => rejected[copy] === 0) ?? first;
  }

  /** The numbers of all copies of a blob, the best first. */
  copiesOf(blob: number): number[] {
    const first = this.firstOf(blob);
    return [first, ...this.#copiesAfter(first)];
  }

  #copiesAfter(first: number): number[] {
    const { copies } = this.shared;
    const found: number[] = [];
    for (let at = firstAtLeast(copies, first); copies[at * 2] === first; at++) found.push(copies[at * 2 + 1] as number);
    return found;
  }

  /** Notes, for all threads, that this copy of a blob cannot be used. @returns whether another copy can be tried */
  reject(blob: number): boolean {
    const { rejected, rejections } = this.shared;
    if (rejected[blob] === 0) Atomics.add(rejections, 0, 1);
    rejected[blob] = 1;
    return rejected[this.#bestOf(this.firstOf(blob))] === 0;
  }

  /** Whether the length of a blob is in doubt: other copies that can be tried have another. */
  isLengthInDoubt(blob: number): boolean {
    if (!this.shared.lengthsDiffer) return false;
    const { lengths, rejected } = this.shared;
    return this.copiesOf(blob).some((copy) => rejected[copy] === 0 && lengths[copy] !== lengths[blob]);
  }

  isRejected(blob: number): boolean {
    return this.shared.rejected[blob] === 1;
  }

  /** The copy of the same blob that `find` gives now. */
  standInFor(blob: number): number {
    return this.#bestOf(this.firstOf(blob));
  }

  /** The number in this index of a blob of another index, or -1. */
  findSame(other: BlobIndex, blob: number): number {
    const { prefixes } = other.shared;
    const word = (number: number): number => prefixes[blob * PREFIX_WORDS + number] as number;
    return this.#findPrefix(word(0), word(1), word(2), word(3));
  }

  /** The number of the first copy of a blob: another one where the blob is stored several times. */
  firstOf(blob: number): number {
    return this.findSame(this, blob);
  }

  #findPrefix(a: number, b: number, c: number, d: number): number {
    const { slots, prefixes } = this.shared;
    const capacity = slots.length;
    if (capacity === 0) return -1;
    let slot = Math.floor((a / TWO_32) * capacity);
    for (;;) {
      const blob = (slots[slot] as number) - 1;
      if (blob < 0) return -1;
      const row = blob * PREFIX_WORDS;
      if (prefixes[row] === a && prefixes[row + 1] === b && prefixes[row + 2] === c && prefixes[row + 3] === d) {
        return blob;
      }
      if (++slot === capacity) slot = 0;
    }
  }

  /** Whether a new snapshot may rely on the stored copy. If so, notes that it does. */
  has(id: Buffer, at = 0): boolean {
    const blob = this.find(id, at);
    if (blob < 0 || !this.isUsable(blob)) return false;
    this.relyOn(blob);
    return true;
  }

  /** Whether a backup may rely on the blob with this number. */
  isUsable(blob: number): boolean {
    return blob < this.shared.usable && !this.isRejected(blob);
  }

  /** Notes that a new snapshot needs the blob. `commitSnapshot` copies it first if its pack is condemned. */
  relyOn(blob: number): void {
    this.shared.relied[blob] = 1;
  }

  /** Whether any thread has noted that a new snapshot needs a blob of the pack. */
  reliesOn(pack: number): boolean {
    const { first, end } = this.blobsOf(pack);
    return this.shared.relied.subarray(first, end).includes(1);
  }

  /** The blobs of a pack: [first, end). */
  blobsOf(pack: number): { first: number; end: number } {
    const { first, end } = this.framesOf(pack);
    return { first: this.#firstBlob(first), end: this.#firstBlob(end) };
  }

  /** Whether the blob with this number has this id. */
  isNamed(blob: number, id: Buffer): boolean {
    const { prefixes } = this.shared;
    for (let word = 0; word < PREFIX_WORDS; word++)
      if (prefixes[blob * PREFIX_WORDS + word] !== id.readUInt32LE(word * 4)) return false;
    return true;
  }

  lengthOf(blob: number): number {
    return this.shared.lengths[blob] as number;
  }

  locate(blob: number): BlobLocation {
    const { lengths } = this.shared;
    const frame = this.locateFrame(blob);
    let offset = 0;
    for (let other = this.#firstBlob(frame); other < blob; other++) offset += lengths[other] as number;
    return { pack: this.packOf(frame), frame, offset, length: lengths[blob] as number };
  }

  /** Number of the frame that a blob is in. */
  locateFrame(blob: number): number {
    return lastAtMost(this.shared.frames, this.shared.frameCount, FRAME_WORDS, 3, blob);
  }

  frame(number: number): LocatedFrame {
    const { frames, lengths, packFirstKey, keys } = this.shared;
    const at = number * FRAME_WORDS;
    const stored = frames[at + 1] as number;
    const keyAndCounter = frames[at + 2] as number;
    const firstBlob = this.#firstBlob(number);
    const endBlob = this.#firstBlob(number + 1);
    let rawLength = 0;
    for (let blob = firstBlob; blob < endBlob; blob++) rawLength += lengths[blob] as number;
    const pack = this.packOf(number);
    const key = ((packFirstKey[pack] as number) + (keyAndCounter >>> 16)) * WRAPPED_KEY_BYTES;
    return {
      pack,
      offset: frames[at] as number,
      storedLength: stored & 0x7fff_ffff,
      rawLength,
      codec: (stored >>> 31) as Codec,
      counter: keyAndCounter & 0xffff,
      blobs: endBlob - firstBlob,
      firstBlob,
      wrappedKey: asBuffer(keys.subarray(key, key + WRAPPED_KEY_BYTES)),
    };
  }

  packName(pack: number): string {
    return asBuffer(this.shared.packNames.subarray(pack * ID_BYTES, (pack + 1) * ID_BYTES)).toString('hex');
  }

  packKind(pack: number): BlobKind {
    return this.shared.packKinds[pack] as BlobKind;
  }

  isVouched(pack: number): boolean {
    return this.shared.packVouched[pack] === 1;
  }

  /** Hex id of the slot that assembled a pack. */
  packWriter(pack: number): string {
    const { packWriters } = this.shared;
    return asBuffer(packWriters.subarray(pack * SLOT_ID_LENGTH, (pack + 1) * SLOT_ID_LENGTH)).toString('hex');
  }

  packOf(frame: number): number {
    return lastAtMost(this.shared.packFirstFrame, this.packCount, 1, 0, frame);
  }

  /** The frames of a pack: [first, end). */
  framesOf(pack: number): { first: number; end: number } {
    const { packFirstFrame, frameCount: total } = this.shared;
    return {
      first: packFirstFrame[pack] as number,
      end: pack + 1 < this.packCount ? (packFirstFrame[pack + 1] as number) : total,
    };
  }

  #firstBlob(frame: number): number {
    return frame < this.shared.frameCount ? (this.shared.frames[frame * FRAME_WORDS + 3] as number) : this.shared.blobs;
  }
}

/** The last row of an ascending column whose value is at most `value`. */
function lastAtMost(rows: Uint32Array, count: number, stride: number, column: number, value: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((rows[middle * stride + column] as number) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first of the sorted pairs whose first number is at least `value`. */
function firstAtLeast(pairs: Uint32Array, value: number): number {
  let low = 0;
  let high = pairs.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pairs[middle * 2] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

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
