// The blobs of a repository in memory, in columns that all threads share.
// Filling the columns is left to blob-index-builder.ts, reading index objects to index-store.ts.
import type { Buffer } from 'node:buffer';
import { SLOT_ID_LENGTH } from '../../bytes/pack-constants.js';
import { asBuffer } from '../../bytes/views.js';
import type { BlobKind } from '../../format/content.js';
import { ID_BYTES } from '../../format/limits.js';
import { type Codec, type Frame, WRAPPED_KEY_BYTES } from '../../format/pack-record.js';

/** u32 words kept of each id: 128 bits distinguish more blobs than anyone can store. */
export const PREFIX_WORDS = 4;
/** u32 words of a frame: offset; stored length and codec (top bit); key number and counter; number of its first blob. */
export const FRAME_WORDS = 4;
export const TWO_32 = 0x1_0000_0000;

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
