// The ids of the blobs that a run has stored, in shared memory.
// Blobs that the repository had before are left to the index.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';

const PREFIX_WORDS = 4;
const SLOTS_PER_BLOB = 2;
const WORDS_PER_BLOB = PREFIX_WORDS + SLOTS_PER_BLOB;
/** Level k holds FIRST_LEVEL · 2^k blobs. */
const FIRST_LEVEL = 1 << 14;
const LEVELS = 13;
const TWO_32 = 0x1_0000_0000;

/** The shared memory, which is sent to worker threads. */
export interface FreshSetHandle {
  readonly memory: SharedArrayBuffer;
  readonly count: Int32Array;
}

interface Level {
  readonly slots: Int32Array;
  readonly prefixes: Uint32Array;
  readonly capacity: number;
  /** Number of the first blob of this level. */
  readonly first: number;
}

/**
 * The ids of the blobs that this run stores, shared by all its threads without a lock. A hash table in levels, each twice as large as the
 * one before, so that it grows without moving anything. When two threads add the same id, `add` returns true in one of them. (In a rare
 * race between two levels it does in both; then the blob is stored twice, which is harmless.)
 */
export class FreshSet {
  readonly handle: FreshSetHandle;
  readonly #levels: Level[] = [];

  constructor(handle: FreshSetHandle) {
    this.handle = handle;
  }

  static create(): FreshSet {
    const maxByteLength = levelStart(LEVELS) * WORDS_PER_BLOB * 4;
    const memory = new SharedArrayBuffer(levelStart(1) * WORDS_PER_BLOB * 4, { maxByteLength });
    return new FreshSet({ memory, count: new Int32Array(new SharedArrayBuffer(4)) });
  }

  /** Adds the id. @returns false when it was added before */
  add(id: Buffer): boolean {
    const a = id.readUInt32LE(0);
    const known = Atomics.load(this.handle.count, 0);
    for (let level = levelOf(known); level >= 0; level--) {
      if (this.#find(this.#level(level), id, a)) return false;
    }
    const number = Atomics.add(this.handle.count, 0, 1);
    return this.#insert(this.#level(levelOf(number)), number, id, a);
  }

  #find(level: Level, id: Buffer, a: number): boolean {
    let slot = firstSlot(level, a);
    for (;;) {
      const blob = Atomics.load(level.slots, slot) - 1;
      if (blob < 0) return false;
      if (same(level, blob, id, a)) return true;
      if (++slot === level.slots.length) slot = 0;
    }
  }

  #insert(level: Level, number: number, id: Buffer, a: number): boolean {
    const blob = number - level.first;
    const at = blob * PREFIX_WORDS;
    level.prefixes[at] = a;
    for (let word = 1; word < PREFIX_WORDS; word++) level.prefixes[at + word] = id.readUInt32LE(word * 4);
    let slot = firstSlot(level, a);
    for (;;) {
      const other = Atomics.compareExchange(level.slots, slot, 0, blob + 1) - 1;
      if (other < 0) return true;
      if (same(level, other, id, a)) return false;
      if (++slot === level.slots.length) slot = 0;
    }
  }

  #level(number: number): Level {
    return this.#levels[number] ?? this.#openLevel(number);
  }

  #openLevel(number: number): Level {
    if (number >= LEVELS)
      throw new VarveError('internal', 'too many new blobs in one backup: back up in several parts');
    const { memory } = this.handle;
    const first = levelStart(number);
    const capacity = FIRST_LEVEL * 2 ** number;
    const end = (first + capacity) * WORDS_PER_BLOB * 4;
    if (memory.byteLength < end) growTo(memory, end);
    const offset = first * WORDS_PER_BLOB * 4;
    const level: Level = {
      slots: new Int32Array(memory, offset, capacity * SLOTS_PER_BLOB),
      prefixes: new Uint32Array(memory, offset + capacity * SLOTS_PER_BLOB * 4, capacity * PREFIX_WORDS),
      capacity,
      first,
    };
    this.#levels[number] = level;
    return level;
  }
}

/** Another thread may grow the memory first and further: then `grow` throws, and is not needed. */
function growTo(memory: SharedArrayBuffer, bytes: number): void {
  try {
    memory.grow(bytes);
  } catch (cause) {
    if (memory.byteLength < bytes) throw cause;
  }
}

const levelStart = (level: number): number => FIRST_LEVEL * (2 ** level - 1);
const levelOf = (blob: number): number => Math.floor(Math.log2(blob / FIRST_LEVEL + 1));
const firstSlot = (level: Level, a: number): number => Math.floor((a / TWO_32) * level.slots.length);

function same(level: Level, blob: number, id: Buffer, a: number): boolean {
  const at = blob * PREFIX_WORDS;
  if (level.prefixes[at] !== a) return false;
  for (let word = 1; word < PREFIX_WORDS; word++) {
    if (level.prefixes[at + word] !== id.readUInt32LE(word * 4)) return false;
  }
  return true;
}
