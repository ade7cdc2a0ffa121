// A cache of decoded file contents that worker threads fill.
// Which blobs a read needs is left to file.ts, decoding to opening.ts.

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
import { Arena, type Region } from './arena.js';
import type { LiveRepository } from './live-repository.js';
import type { WorkerInit } from './mount-worker.js';
import { ID_PREFIX, neededRange, Opener, type Opening, type Part, verifyBlob } from './opening.js';

/** Bytes to request from a store at once when blobs follow each other. */
const FETCH_SIZE = 4 * 1024 * 1024;

/** What is decoded together: a compressed frame, or one blob of an uncompressed frame. */
interface DecodedUnit {
  readonly region: Region;
  /** The number of its first blob. */
  readonly first: number;
  /** 1 for each blob whose id was verified. */
  readonly verified: Uint8Array;
  /** The pack's name in errors. */
  readonly name: string;
}

/** A cache of decoded contents, up to a number of bytes. The oldest are evicted. */
export class Contents {
  readonly #repository: LiveRepository;
  readonly #budget: number;
  readonly #opener: Opener;
  readonly #arena: Arena;
  /** By the number of the blob, or -1 - the number of the frame. */
  readonly #units = new Map<number, DecodedUnit>();
  readonly #pending = new Map<number, Promise<void>>();
  #generation: number;
  #ring: PackKeyRing;
  #pool: WorkerPool<WorkerInit, Opening, undefined> | undefined;
  /** The last region outside the arena, for contents that do not fit in it. */
  #oversized: Region | undefined;
  #closed = false;
  /** Prefetches under way. */
  #ahead = 0;
  /** The last frame that a reader waited for, by pack. */
  readonly #last = new Map<number, number>();

  constructor(repository: LiveRepository, budget: number) {
    this.#repository = repository;
    this.#budget = budget;
    this.#arena = new Arena(budget);
    this.#generation = repository.generation;
    const { keys } = repository.current;
    this.#opener = new Opener(keys.id, this.#arena.memory);
    this.#ring = new PackKeyRing(keys);
  }

  /** Whether the store is a local directory. Reading here is then faster than handing over to a thread. */
  get isLocal(): boolean {
    return this.#store.filePath !== undefined;
  }

  /** Bytes to prefetch ahead of a reader. */
  get prefetchLimit(): number {
    const most = this.isLocal ? 8 * 1024 * 1024 : 32 * 1024 * 1024;
    return Math.min(most, this.#budget / 4);
  }

  /** A decoded blob; undefined when it is not in the cache. Valid until the next call here. @throws VarveError `damaged` */
  ready(blob: number): Buffer | undefined {
    this.#refresh();
    const { index, keys } = this.#repository.current;
    const direct = this.#units.get(blob);
    if (direct !== undefined) return direct.region.bytes.subarray(0, index.lengthOf(blob));
    const key = -1 - index.locateFrame(blob);
    const unit = this.#units.get(key);
    if (unit === undefined) return undefined;
    const { offset, length } = index.locate(blob);
    const bytes = unit.region.bytes.subarray(offset, offset + length);
    if (unit.verified[blob - unit.first] === 0) {
      try {
        verifyBlob(keys.id, prefixesOf(index, blob, 1), bytes, unit.name);
      } catch (cause) {
        if (this.#repository.passOver([blob], cause)) return undefined;
        throw cause;
      }
      unit.verified[blob - unit.first] = 1;
    }
    return bytes;
  }

  /** Decodes a blob now, from a local file. @returns undefined when the store is remote */
  openNow(blob: number): Buffer | undefined {
    const { filePath } = this.#store;
    if (filePath === undefined) return undefined;
    if (this.#isAvailable(this.#repository.current.index, blob)) return undefined;
    const planned = this.#plan([blob], false);
    try {
      this.#opener.open({ ...planned.opening, source: filePath.call(this.#store, 'data', planned.pack) });
    } catch (cause) {
      release(planned);
      // The index may be out of date, and reading it again takes longer: leave that to the asynchronous way.
      if (VarveError.from(cause).code === 'not-found' || this.#repository.passOver([blob], cause)) return undefined;
      throw cause;
    }
    this.#add(planned);
    return this.ready(blob);
  }

  /**
   * Calls `use` with each decoded blob, in order. Starts to decode all of them at once.
   *
   * @param use must not keep the bytes after it returns
   * @throws VarveError; OUTDATED when a new index was read and the blob numbers changed
   */
  async use(blobs: readonly number[], use: (bytes: Buffer, number: number) => void): Promise<void> {
    const generation = this.#repository.generation;
    for (const blob of blobs) if (this.ready(blob) === undefined) this.#pendingOf(blob).catch(() => undefined);
    for (const [number, blob] of blobs.entries()) {
      for (;;) {
        if (this.#repository.generation !== generation) throw OUTDATED;
        const bytes = this.ready(blob);
        if (bytes !== undefined) {
          use(bytes, number);
          break;
        }
        await this.#pendingOf(blob);
      }
    }
  }

  /** Starts to decode blobs that will be needed soon. @returns how many of them are decoded or being decoded */
  prefetch(blobs: readonly number[]): number {
    this.#refresh();
    const { index } = this.#repository.current;
    for (let at = 0; at < blobs.length; ) {
      const blob = blobs[at] as number;
      const run = this.#runFrom(index, blobs, at);
      if (!this.#isAvailable(index, blob)) {
        if (this.#ahead >= this.#maxPrefetches) return at;
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

  /** Blobs to fetch together: those of one compressed frame, or blobs that follow each other in an uncompressed frame. */
  #runFrom(index: BlobIndex, blobs: readonly number[], at: number): number[] {
    const first = blobs[at] as number;
    const frame = index.locateFrame(first);
    const run = [first];
    if (index.frame(frame).codec === ZSTD) {
      for (let next = at + 1; next < blobs.length && index.locateFrame(blobs[next] as number) === frame; next++)
        run.push(blobs[next] as number);
      return run;
    }
    if (this.#isAvailable(index, first)) return run;
    let bytes = index.lengthOf(first);
    for (let next = at + 1; next < blobs.length && bytes < FETCH_SIZE; next++) {
      const blob = blobs[next] as number;
      if (blob !== first + run.length || index.locateFrame(blob) !== frame || this.#isAvailable(index, blob)) break;
      run.push(blob);
      bytes += index.lengthOf(blob);
    }
    return run;
  }

  #isAvailable(index: BlobIndex, blob: number): boolean {
    const frame = -1 - index.locateFrame(blob);
    return this.#units.has(blob) || this.#units.has(frame) || this.#pending.has(blob) || this.#pending.has(frame);
  }

  get #store(): Store {
    return uncached(this.#repository.current).store;
  }

  /** One connection stays free for a reader that waits. */
  get #maxPrefetches(): number {
    if (this.isLocal) return 2 * defaultThreads();
    return Math.max(1, (this.#store.connections ?? 4) - 1);
  }

  #pendingOf(blob: number): Promise<void> {
    this.#refresh();
    const { index } = this.#repository.current;
    const frame = index.locateFrame(blob);
    const pending = this.#pending.get(blob) ?? this.#pending.get(-1 - frame);
    if (pending !== undefined) return pending;
    this.#prefetchNextFrame(index, blob, frame);
    return this.#begin([blob], false);
  }

  /** Prefetches the next frame when small files are read in the order in which they were stored. */
  #prefetchNextFrame(index: BlobIndex, blob: number, frame: number): void {
    const pack = index.packOf(frame);
    const before = this.#last.get(pack);
    this.#last.set(pack, frame);
    if (this.#last.size > 64) this.#last.delete(this.#last.keys().next().value as number);
    const next = frame + 1;
    if (before !== frame - 1 || index.framesOf(pack).end <= next || index.frame(next).codec !== ZSTD) return;
    const { firstBlob, blobs } = index.frame(frame);
    if (blob < firstBlob + blobs) setImmediate(() => this.#closed || this.prefetch([firstBlob + blobs]));
  }

  /** @param blobs all of one frame */
  #begin(blobs: readonly number[], verifyAll: boolean): Promise<void> {
    const { keys } = this.#plannedKeys(blobs);
    const generation = this.#generation;
    const fetching = this.#repository.retryWithNewIndex(() => this.#fetch(blobs, verifyAll, generation));
    const begun = fetching.catch((cause: unknown) => {
      const isCurrent = this.#repository.generation === generation;
      throw isCurrent && this.#repository.passOver(blobs, cause) ? OUTDATED : cause;
    });
    for (const key of keys) this.#pending.set(key, begun);
    const done = (): void => {
      for (const key of keys) if (this.#pending.get(key) === begun) this.#pending.delete(key);
    };
    begun.then(done, done);
    return begun;
  }

  #plannedKeys(blobs: readonly number[]): { keys: number[] } {
    const { index } = this.#repository.current;
    const frame = index.locateFrame(blobs[0] as number);
    return { keys: index.frame(frame).codec === ZSTD ? [-1 - frame] : [...blobs] };
  }

  async #fetch(blobs: readonly number[], verifyAll: boolean, generation: number): Promise<void> {
    // Blob numbers of another index mean nothing here.
    if (generation !== this.#repository.generation) throw OUTDATED;
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
      release(planned);
      throw cause;
    }
    if (this.#repository.generation === generation) this.#add(planned);
    else release(planned);
  }

  #workers(): WorkerPool<WorkerInit, Opening, undefined> {
    if (this.#closed) throw new VarveError('interrupted', 'the mount has ended');
    const idKey = new Uint8Array(this.#repository.current.keys.id);
    this.#pool ??= new WorkerPool(new URL('./mount-worker.js', import.meta.url), defaultThreads(), () => ({
      data: { idKey, memory: this.#arena.memory },
      transfer: [],
    }));
    return this.#pool;
  }

  #plan(blobs: readonly number[], verifyAll: boolean): Planned {
    const { index } = this.#repository.current;
    const number = index.locateFrame(blobs[0] as number);
    const frame = index.frame(number);
    const pack = index.packName(frame.pack);
    const name = `data/${pack}`;
    const compressed = frame.codec === ZSTD;
    const keys = compressed ? [-1 - number] : [...blobs];
    const regions: Region[] = [];
    const parts = keys.map((key, at): Part => {
      const region = this.#region(key, compressed ? frame.rawLength : index.lengthOf(key) + CIPHER_BLOCK);
      regions.push(region);
      const part = compressed ? wholePart(index, frame, verifyAll) : blobPart(index, blobs[at] as number);
      return { ...part, into: region.start < 0 ? region.bytes : region.start };
    });
    const units = parts.map(({ lengths }, at) => ({
      region: regions[at] as Region,
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

  /** Allocates a region. One that does not fit in the arena gets memory of its own and is not cached for long. */
  #region(key: number, length: number): Region {
    const onEvicted = (): void => {
      if (this.#units.get(key)?.region === region) this.#units.delete(key);
    };
    const region: Region = this.#arena.take(length, onEvicted) ?? {
      bytes: Buffer.from(new SharedArrayBuffer(length)),
      start: -1,
      onEvicted,
      filling: true,
    };
    return region;
  }

  #add(planned: Planned): void {
    const { keys, units } = planned;
    for (const [at, unit] of units.entries()) {
      this.#units.set(keys[at] as number, unit);
      if (unit.region.start < 0) this.#keepOversized(unit.region);
    }
    release(planned);
  }

  #keepOversized(region: Region): void {
    this.#oversized?.onEvicted();
    this.#oversized = region;
  }

  /** A new index has other blob numbers. */
  #refresh(): void {
    if (this.#generation === this.#repository.generation) return;
    this.#generation = this.#repository.generation;
    this.#units.clear();
    this.#pending.clear();
    this.#last.clear();
  }
}

interface Planned {
  readonly keys: readonly number[];
  readonly units: readonly DecodedUnit[];
  readonly opening: Omit<Opening, 'source'>;
  readonly pack: string;
}

function wholePart(
  index: BlobIndex,
  { rawLength, firstBlob, blobs }: LocatedFrame,
  verifyAll: boolean,
): Omit<Part, 'into'> {
  const lengths = verifyAll ? Array.from({ length: blobs }, (_, number) => index.lengthOf(firstBlob + number)) : [];
  const ids = verifyAll ? prefixesOf(index, firstBlob, blobs) : new Uint8Array();
  return { offset: 0, length: rawLength, ids, lengths };
}

function blobPart(index: BlobIndex, blob: number): Omit<Part, 'into'> {
  const { offset, length } = index.locate(blob);
  return { offset, length, ids: prefixesOf(index, blob, 1), lengths: [length] };
}

/** Marks the regions as filled, or as not needed: they may be evicted. */
function release({ units }: Planned): void {
  for (const { region } of units) region.filling = false;
}

/** Thrown when the blob numbers changed and must be looked up again. */
export const OUTDATED = new VarveError('internal', 'a new index was read; try again');

/** The first bytes of the blobs' ids, as the index has them. */
function prefixesOf({ shared }: BlobIndex, first: number, count: number): Uint8Array {
  const words = shared.prefixes.subarray(first * 4, (first + count) * 4);
  const out = Buffer.allocUnsafeSlow(count * ID_PREFIX);
  for (const [at, word] of words.entries()) out.writeUInt32LE(word, at * 4);
  return out;
}
