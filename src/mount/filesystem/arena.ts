import { Buffer } from 'node:buffer';
import { sharedPages } from '../../bytes/pages.js';

/** A part of the memory. What is in it is somebody's until it is evicted. */
export interface Room {
  readonly bytes: Buffer;
  readonly start: number;
  /** Called when the memory is taken for something else. */
  readonly evicted: () => void;
  /** While it is being filled it stays. */
  filling: boolean;
}

/** What is in one room may be so much of all of it. */
const SHARE = 4;
/** Rooms begin at lines of the processor's cache. */
const ALIGNED = 64;

/**
 * Memory for what is opened, taken round and round: what was put there first goes first. It is one piece that all threads share, so it never grows, no memory is
 * ever cleared anew, and nothing falls to pieces.
 */
export class Arena {
  readonly memory: SharedArrayBuffer;
  readonly #size: number;
  /** Oldest first: those that begin at or behind the next place, then those before it. */
  readonly #rooms = new Queue<Room>();
  #next = 0;

  /** @param size bytes; they take memory only from when they are first used */
  constructor(size: number) {
    this.memory = sharedPages(size);
    this.#size = size;
  }

  /** So many bytes; undefined when it is too much at once, or all is being filled. */
  take(length: number, evicted: () => void): Room | undefined {
    const needed = Math.ceil(length / ALIGNED) * ALIGNED;
    if (needed > this.#size / SHARE) return undefined;
    for (let passed = 0; passed <= 2 * this.#size; ) {
      if (this.#next + needed > this.#size) {
        passed += this.#size - this.#next;
        this.#clear(this.#size, true);
        this.#next = 0;
      }
      const blocked = this.#clear(this.#next + needed, false);
      if (blocked === undefined) {
        const bytes = Buffer.from(this.memory, this.#next, length);
        const room = { bytes, start: this.#next, evicted, filling: true };
        this.#rooms.push(room);
        this.#next += needed;
        return room;
      }
      passed += blocked - this.#next;
      this.#next = blocked;
    }
    return undefined;
  }

  /**
   * Evicts what lies between the next place and an end.
   *
   * @param past whether to go past rooms that are being filled
   * @returns otherwise the end of the first of them
   */
  #clear(end: number, past: boolean): number | undefined {
    for (let room = this.#rooms.first; room !== undefined; room = this.#rooms.first) {
      if (room.start < this.#next || room.start >= end) return undefined;
      this.#rooms.shift();
      if (room.filling) {
        this.#rooms.push(room);
        if (!past) return Math.ceil((room.start + room.bytes.length) / ALIGNED) * ALIGNED;
      } else room.evicted();
    }
    return undefined;
  }
}

/** First in, first out. */
class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#items[this.#head++] = undefined;
    if (this.#head < 1024 || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
