import { Buffer } from 'node:buffer';
import { CIPHER_BLOCK } from '../../crypto/pack-key.js';
import { VarveError } from '../../errors/errors.js';
import { DATA } from '../../format/content.js';
import { ZSTD } from '../../format/pack-record.js';
import type { BlobIndex, LocatedFrame } from '../../repository/index/blob-index.js';
import { PackKeyRing } from '../../repository/reading/blob-reader.js';
import { uncached } from '../../repository/repository.js';
import type { Store } from '../../storage/store.js';
import { defaultThreads, WorkerPool } from '../../workers/pool.js';
import { transferable } from '../../workers/transfer.js';
import { Arena, type Room } from './arena.js';
import type { WorkerInit } from './mount-worker.js';
import { ID_PREFIX, neededRange, Opener, type Opening, type Part, verifyBlob } from './opening.js';
import type { Source } from './source.js';

/** Bytes of one request to a store for blobs that follow each other. */
const AT_ONCE = 4 * 1024 * 1024;

/** What is opened together: a frame that is compressed, or a blob of one that is not. */
interface Unit {
  readonly room: Room;
  /** Of its blobs. */
  readonly first: number;
  /** For each blob 1 when it was compared with its id. */
  readonly verified: Uint8Array;
  /** As errors call its pack. */
  readonly name: string;
}

/** Contents of files, opened, within a budget of bytes. What was opened last stays. */
export class Contents {
  readonly #source: Source;
  readonly #budget: number;
  readonly #opener: Opener;
  readonly #arena: Arena;
  /** By the number of the blob, or of the frame: `keyOf`. */
  readonly #units = new Map<number, Unit>();
  readonly #coming = new Map<number, Promise<void>>();
  #generation: number;
  #ring: PackKeyRing;
  #pool: WorkerPool<WorkerInit, Opening, undefined> | undefined;
  /** The last of those that got memory of their own. */
  #large: Room | undefined;
  #closed = false;
  /** Requests ahead of readers that are under way. */
  #ahead = 0;
  /** The frame that somebody waited for last in each pack. */
  readonly #last = new Map<number, number>();

  constructor(source: Source, budget: number) {
    this.#source = source;
    this.#budget = budget;
    this.#arena = new Arena(budget);
    this.#generation = source.generation;
    const { keys } = source.repository;
    this.#opener = new Opener(keys.id, this.#arena.memory);
    this.#ring = new PackKeyRing(keys);
  }

  /** Whether reading is of files of this machine: it then is so quick that a thread of its own takes longer. */
  get isLocal(): boolean {
    return this.#store.filePath !== undefined;
  }

  /** Bytes ahead of a reader that are worth to be fetched. */
  get reach(): number {
    const most = this.isLocal ? 8 * 1024 * 1024 : 32 * 1024 * 1024;
    return Math.min(most, this.#budget / 4);
  }

  /** A blob that is opened. Valid until something else is done here. @throws VarveError `damaged` */
  ready(blob: number): Buffer | undefined {
    this.#refresh();
    const { index, keys } = this.#source.repository;
    const direct = this.#units.get(blob);
    if (direct !== undefined) return direct.room.bytes.subarray(0, index.lengthOf(blob));
    const key = -1 - index.locateFrame(blob);
    const unit = this.#units.get(key);
    if (unit === undefined) return undefined;
    const { offset, length } = index.locate(blob);
    const bytes = unit.room.bytes.subarray(offset, offset + length);
    if (unit.verified[blob - unit.first] === 0) {
      verifyBlob(keys.id, prefixesOf(index, blob, 1), bytes, unit.name);
      unit.verified[blob - unit.first] = 1;
    }
    return bytes;
  }

  /** Opens a blob at once, where it is in a file of this machine. @returns undefined elsewhere */
  openNow(blob: number): Buffer | undefined {
    const { filePath } = this.#store;
    if (filePath === undefined) return undefined;
    if (this.#isThere(this.#source.repository.index, blob)) return undefined;
    const planned = this.#plan([blob], false);
    try {
      this.#opener.open({ ...planned.opening, source: filePath.call(this.#store, 'data', planned.pack) });
    } catch (cause) {
      giveBack(planned);
      // The index may be out of date: that takes longer to find out.
      if (VarveError.from(cause).code === 'not-found') return undefined;
      throw cause;
    }
    this.#add(planned);
    return this.ready(blob);
  }

  /**
   * Uses blobs when they are opened, one after another; all are begun at once.
   *
   * @param use is to be done with the bytes when it returns
   * @throws VarveError; OUTDATED when numbers of blobs are others now
   */
  async use(blobs: readonly number[], use: (bytes: Buffer, number: number) => void): Promise<void> {
    const generation = this.#source.generation;
    for (const blob of blobs) if (this.ready(blob) === undefined) this.#comingOf(blob).catch(() => undefined);
    for (const [number, blob] of blobs.entries()) {
      for (;;) {
        if (this.#source.generation !== generation) throw OUTDATED;
        const bytes = this.ready(blob);
        if (bytes !== undefined) {
          use(bytes, number);
          break;
        }
        await this.#comingOf(blob);
      }
    }
  }

  /** Begins to open blobs that will be needed soon. @returns how many of them are there or coming */
  prefetch(blobs: readonly number[]): number {
    this.#refresh();
    const { index } = this.#source.repository;
    for (let at = 0; at < blobs.length; ) {
      const blob = blobs[at] as number;
      const run = this.#runFrom(index, blobs, at);
      if (!this.#isThere(index, blob)) {
        if (this.#ahead >= this.#mostAhead) return at;
        this.#ahead++;
        this.#begin(run, true)
          .catch(() => undefined)
          .finally(() => this.#ahead--);
      }
      at += run.length;
    }
    return blobs.length;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#opener.close();
    await this.#pool?.close();
  }

  /** Blobs of one frame that is not compressed and lie one after another in it; else a single one. */
  #runFrom(index: BlobIndex, blobs: readonly number[], at: number): number[] {
    const first = blobs[at] as number;
    const frame = index.locateFrame(first);
    const run = [first];
    if (index.frame(frame).codec === ZSTD) {
      for (let next = at + 1; next < blobs.length && index.locateFrame(blobs[next] as number) === frame; next++)
        run.push(blobs[next] as number);
      return run;
    }
    if (this.#isThere(index, first)) return run;
    let bytes = index.lengthOf(first);
    for (let next = at + 1; next < blobs.length && bytes < AT_ONCE; next++) {
      const blob = blobs[next] as number;
      if (blob !== first + run.length || index.locateFrame(blob) !== frame || this.#isThere(index, blob)) break;
      run.push(blob);
      bytes += index.lengthOf(blob);
    }
    return run;
  }

  #isThere(index: BlobIndex, blob: number): boolean {
    const frame = -1 - index.locateFrame(blob);
    return this.#units.has(blob) || this.#units.has(frame) || this.#coming.has(blob) || this.#coming.has(frame);
  }

  get #store(): Store {
    return uncached(this.#source.repository).store;
  }

  /** At least one reader's request must find a connection free. */
  get #mostAhead(): number {
    if (this.isLocal) return 2 * defaultThreads();
    return Math.max(1, (this.#store.connections ?? 4) - 1);
  }

  #comingOf(blob: number): Promise<void> {
    this.#refresh();
    const { index } = this.#source.repository;
    const frame = index.locateFrame(blob);
    const coming = this.#coming.get(blob) ?? this.#coming.get(-1 - frame);
    if (coming !== undefined) return coming;
    this.#followUp(index, blob, frame);
    return this.#begin([blob], false);
  }

  /** Who reads small files one after another, in the order in which they were stored, needs one frame after the other. */
  #followUp(index: BlobIndex, blob: number, frame: number): void {
    const pack = index.packOf(frame);
    const before = this.#last.get(pack);
    this.#last.set(pack, frame);
    if (this.#last.size > 64) this.#last.delete(this.#last.keys().next().value as number);
    const next = frame + 1;
    if (before !== frame - 1 || index.framesOf(pack).end <= next || index.frame(next).codec !== ZSTD) return;
    const { firstBlob, blobs } = index.frame(frame);
    if (blob < firstBlob + blobs) setImmediate(() => this.#closed || this.prefetch([firstBlob + blobs]));
  }

  /** @param blobs of one frame */
  #begin(blobs: readonly number[], verifyAll: boolean): Promise<void> {
    const { keys } = this.#plannedKeys(blobs);
    const generation = this.#generation;
    const begun = this.#source.retried(() => this.#fetch(blobs, verifyAll, generation));
    for (const key of keys) this.#coming.set(key, begun);
    const done = (): void => {
      for (const key of keys) if (this.#coming.get(key) === begun) this.#coming.delete(key);
    };
    begun.then(done, done);
    return begun;
  }

  #plannedKeys(blobs: readonly number[]): { keys: number[] } {
    const { index } = this.#source.repository;
    const frame = index.locateFrame(blobs[0] as number);
    return { keys: index.frame(frame).codec === ZSTD ? [-1 - frame] : [...blobs] };
  }

  async #fetch(blobs: readonly number[], verifyAll: boolean, generation: number): Promise<void> {
    // Numbers that were looked up in an index that is not there any more mean nothing.
    if (generation !== this.#source.generation) throw OUTDATED;
    const planned = this.#plan(blobs, verifyAll);
    const { opening, pack } = planned;
    try {
      const { filePath } = this.#store;
      if (filePath !== undefined) {
        await this.#workers().run({ ...opening, source: filePath.call(this.#store, 'data', pack) });
      } else {
        const stored = await this.#store.get('data', pack, neededRange(opening));
        if (opening.codec === ZSTD) await this.#workers().run({ ...opening, source: stored }, transferable(stored));
        else this.#opener.open({ ...opening, source: stored });
      }
    } catch (cause) {
      giveBack(planned);
      throw cause;
    }
    if (this.#source.generation === generation) this.#add(planned);
    else giveBack(planned);
  }

  #workers(): WorkerPool<WorkerInit, Opening, undefined> {
    if (this.#closed) throw new VarveError('interrupted', 'the mount has ended');
    const idKey = new Uint8Array(this.#source.repository.keys.id);
    this.#pool ??= new WorkerPool(new URL('./mount-worker.js', import.meta.url), defaultThreads(), () => ({
      data: { idKey, memory: this.#arena.memory },
      transfer: [],
    }));
    return this.#pool;
  }

  #plan(blobs: readonly number[], verifyAll: boolean): Planned {
    const { index } = this.#source.repository;
    const number = index.locateFrame(blobs[0] as number);
    const frame = index.frame(number);
    const pack = index.packName(frame.pack);
    const name = `data/${pack}`;
    const compressed = frame.codec === ZSTD;
    const keys = compressed ? [-1 - number] : [...blobs];
    const rooms: Room[] = [];
    const parts = keys.map((key, at): Part => {
      const room = this.#room(key, compressed ? frame.rawLength : index.lengthOf(key) + CIPHER_BLOCK);
      rooms.push(room);
      const part = compressed ? wholePart(index, frame, verifyAll) : blobPart(index, blobs[at] as number);
      return { ...part, room: room.start < 0 ? room.bytes : room.start };
    });
    const units = parts.map(({ lengths }, at) => ({
      room: rooms[at] as Room,
      first: compressed ? frame.firstBlob : (blobs[at] as number),
      verified: new Uint8Array(compressed ? frame.blobs : 1).fill(lengths.length > 0 ? 1 : 0),
      name,
    }));
    const opening = {
      name,
      frame: frame.offset,
      storedLength: frame.storedLength,
      rawLength: frame.rawLength,
      key: new Uint8Array(this.#ring.keyOf(DATA, frame.wrappedKey)),
      counter: frame.counter,
      codec: frame.codec,
      parts,
    };
    return { keys, units, opening, pack };
  }

  /** What is too large for the budget gets memory of its own, and is not kept. */
  #room(key: number, length: number): Room {
    const evicted = (): void => {
      if (this.#units.get(key)?.room === room) this.#units.delete(key);
    };
    const room: Room = this.#arena.take(length, evicted) ?? {
      bytes: Buffer.from(new SharedArrayBuffer(length)),
      start: -1,
      evicted,
      filling: true,
    };
    return room;
  }

  #add(planned: Planned): void {
    const { keys, units } = planned;
    for (const [at, unit] of units.entries()) {
      this.#units.set(keys[at] as number, unit);
      if (unit.room.start < 0) this.#keepLarge(unit.room);
    }
    giveBack(planned);
  }

  #keepLarge(room: Room): void {
    this.#large?.evicted();
    this.#large = room;
  }

  /** With another index all numbers are others. */
  #refresh(): void {
    if (this.#generation === this.#source.generation) return;
    this.#generation = this.#source.generation;
    this.#units.clear();
    this.#coming.clear();
    this.#last.clear();
  }
}

interface Planned {
  readonly keys: readonly number[];
  readonly units: readonly Unit[];
  readonly opening: Omit<Opening, 'source'>;
  readonly pack: string;
}

function wholePart(
  index: BlobIndex,
  { rawLength, firstBlob, blobs }: LocatedFrame,
  verifyAll: boolean,
): Omit<Part, 'room'> {
  const lengths = verifyAll ? Array.from({ length: blobs }, (_, number) => index.lengthOf(firstBlob + number)) : [];
  const ids = verifyAll ? prefixesOf(index, firstBlob, blobs) : new Uint8Array();
  return { offset: 0, length: rawLength, ids, lengths };
}

function blobPart(index: BlobIndex, blob: number): Omit<Part, 'room'> {
  const { offset, length } = index.locate(blob);
  return { offset, length, ids: prefixesOf(index, blob, 1), lengths: [length] };
}

/** The rooms are filled, or will not be: they may be taken for something else. */
function giveBack({ units }: Planned): void {
  for (const { room } of units) room.filling = false;
}

/** Thrown when numbers of blobs are to be looked up again. */
export const OUTDATED = new VarveError('internal', 'the index is another now');

/** The beginnings of the ids of blobs, as the index has them. */
function prefixesOf({ shared }: BlobIndex, first: number, count: number): Uint8Array {
  const words = shared.prefixes.subarray(first * 4, (first + count) * 4);
  const out = Buffer.allocUnsafeSlow(count * ID_PREFIX);
  for (const [at, word] of words.entries()) out.writeUInt32LE(word, at * 4);
  return out;
}
