// Reads from files: finds the blobs, copies or shows them, and prefetches.
// Fetching and caching are left to contents.ts.

import { Buffer } from 'node:buffer';
import { lastAtMost } from '../../bytes/ascending.js';
import { VarveError } from '../../errors/errors.js';
import { DATA } from '../../format/content.js';
import type { Entry } from '../../format/entry.js';
import { Layout } from '../../format/layout.js';
import { locateBlob } from '../../repository/reading/blob-reader.js';
import { checkSize, splitIds } from '../../repository/reading/content-stream.js';
import { type Contents, OUTDATED } from './contents.js';
import type { LiveRepository } from './live-repository.js';

/** Bytes to be read sequentially before prefetching starts. */
const SEQUENTIAL_BYTES = 256 * 1024;
/** Bytes by which requests of the kernel's own read-ahead may be out of order. */
const JITTER = 2 * 1024 * 1024;
/** Attempts of a read when the index changes. */
const MAX_TRIES = 3;

/** The content of holes. */
const ZEROS = Buffer.alloc(128 * 1024);

/** A slice of a blob, and its position in the result. */
interface BlobSlice {
  readonly blob: number;
  /** Offset in the blob. */
  readonly from: number;
  readonly length: number;
  /** Offset in the result. */
  readonly to: number;
}

/** A file of a snapshot that is being read. */
export class OpenFile {
  readonly size: number;
  readonly layout: Layout | undefined;
  readonly #contents: Contents;
  /** Numbers of the blobs, and the offset in the stream at which each begins. */
  readonly #blobs: Uint32Array;
  readonly #starts: Float64Array;
  readonly #generation: number;
  #next = -1;
  #sequential = 0;
  /** The end of what was prefetched, as an offset in the stream. */
  #ahead = 0;

  private constructor(
    contents: Contents,
    size: number,
    layout: Layout | undefined,
    blobs: Uint32Array,
    starts: Float64Array,
    generation: number,
  ) {
    this.#contents = contents;
    this.size = size;
    this.layout = layout;
    this.#blobs = blobs;
    this.#starts = starts;
    this.#generation = generation;
  }

  /** @throws VarveError `damaged` when the index lacks a blob, or the blobs do not have the size that the entry says */
  static async open(repository: LiveRepository, contents: Contents, entry: Entry, path: string): Promise<OpenFile> {
    const { content, holes, size } = entry;
    if (content === undefined) throw new VarveError('internal', `${path}: has no content`);
    const ids =
      content.depth === 0 ? content.ids : await repository.retryWithNewIndex(() => repository.trees.ids(content));
    const attached = holes && (await repository.retryWithNewIndex(() => repository.trees.attachment(holes)));
    const layout = attached && Layout.decode(attached, size, content.size, path);
    await repository.trees.settleLengths(ids);
    // No waiting from here on: the blob numbers belong to the current index.
    const { index } = repository.current;
    const blobs = new Uint32Array(ids.length / 32);
    const starts = new Float64Array(blobs.length + 1);
    let number = 0;
    for (const id of splitIds(ids)) {
      const { length } = locateBlob(index, id, DATA);
      blobs[number] = index.find(id);
      starts[number + 1] = (starts[number] as number) + length;
      number++;
    }
    checkSize(starts[blobs.length] as number, content.size);
    return new OpenFile(contents, size, layout, blobs, starts, repository.generation);
  }

  /** Approximate bytes of memory. */
  get weight(): number {
    return 500 + this.#blobs.length * 12;
  }

  isOf(generation: number): boolean {
    return this.#generation === generation;
  }

  /**
   * Returns views of cached contents, valid until the next call here; undefined when they must be loaded.
   *
   * @param open whether to decode local frames right now
   * @throws VarveError `damaged`
   */
  readNow(offset: number, size: number, open: boolean): Buffer[] | undefined {
    const length = this.#lengthAt(offset, size);
    const slices = this.#slicesOf(offset, length);
    const found = this.#views(slices, length);
    if (found !== undefined || !open) return found;
    for (const { blob } of slices)
      if (this.#contents.ready(blob) === undefined && this.#contents.openNow(blob) === undefined) return undefined;
    // Decoding one may have evicted another.
    return this.#views(slices, length);
  }

  #views(slices: readonly BlobSlice[], length: number): Buffer[] | undefined {
    const views: Buffer[] = [];
    let at = 0;
    for (const { blob, from, length: part, to } of slices) {
      const bytes = this.#contents.ready(blob);
      if (bytes === undefined) return undefined;
      addZeros(views, to - at);
      views.push(bytes.subarray(from, from + part));
      at = to + part;
    }
    addZeros(views, length - at);
    return views;
  }

  /** Loads a range into the cache. `readNow` then finds it, unless it was evicted again. */
  async load(offset: number, size: number): Promise<void> {
    const slices = this.#slicesOf(offset, this.#lengthAt(offset, size));
    await this.#contents.use(
      slices.map(({ blob }) => blob),
      () => undefined,
    );
  }

  /** Loads a range and returns a copy of it. */
  async read(offset: number, size: number): Promise<Buffer> {
    const length = this.#lengthAt(offset, size);
    const slices = this.#slicesOf(offset, length);
    const out = Buffer.alloc(length);
    const blobs = slices.map(({ blob }) => blob);
    await this.#contents.use(blobs, (bytes, number) => {
      const part = slices[number] as BlobSlice;
      bytes.copy(out, part.to, part.from, part.from + part.length);
    });
    return out;
  }

  /** Call it after each read: prefetches for a sequential reader. */
  prefetchAhead(offset: number, size: number): void {
    const expected = Math.abs(offset - this.#next) <= JITTER;
    const end = Math.min(this.size, offset + size);
    this.#sequential = expected || (this.#next < 0 && offset === 0) ? this.#sequential + size : 0;
    this.#next = expected ? Math.max(this.#next, end) : end;
    if (this.#sequential < SEQUENTIAL_BYTES || this.layout !== undefined) return;
    const to = Math.min(this.size, this.#next + Math.min(this.#contents.prefetchLimit, this.#sequential * 2));
    const from = Math.min(Math.max(this.#ahead, this.#next), to);
    // Wait until one large request is worth it: a few small ones take as long.
    if (to - from < Math.min(this.#contents.prefetchLimit / 4, this.size - from)) return;
    const first = this.#blobAt(from);
    const blobs: number[] = [];
    for (let number = first; number < this.#blobs.length && (this.#starts[number] as number) < to; number++)
      blobs.push(this.#blobs[number] as number);
    const begun = this.#contents.prefetch(blobs);
    this.#ahead = this.#starts[first + begun] as number;
  }

  #lengthAt(offset: number, size: number): number {
    return Math.max(0, Math.min(size, this.size - offset));
  }

  #slicesOf(offset: number, length: number): BlobSlice[] {
    if (this.layout === undefined) return this.#inStream(offset, length, 0);
    const slices: BlobSlice[] = [];
    for (const piece of this.layout.within(offset, length))
      slices.push(...this.#inStream(piece.stream, piece.length, piece.file - offset));
    return slices;
  }

  #inStream(from: number, length: number, to: number): BlobSlice[] {
    const slices: BlobSlice[] = [];
    const end = from + length;
    for (let number = this.#blobAt(from), at = from; at < end; number++) {
      const start = this.#starts[number] as number;
      const stop = Math.min(end, this.#starts[number + 1] as number);
      slices.push({ blob: this.#blobs[number] as number, from: at - start, length: stop - at, to: to + at - from });
      at = stop;
    }
    return slices;
  }

  /** The number of the blob at an offset; the last one for the end of the stream. */
  #blobAt(offset: number): number {
    return Math.min(lastAtMost(this.#starts, offset), Math.max(0, this.#blobs.length - 1));
  }
}

function addZeros(views: Buffer[], count: number): void {
  for (let left = count; left > 0; left -= ZEROS.length) views.push(ZEROS.subarray(0, left));
}

/** Runs an action, and again when the index changed in between. */
export async function retryWhenOutdated<Result>(action: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (cause) {
      if (cause !== OUTDATED || tries === MAX_TRIES) throw cause;
    }
  }
}
