import { Buffer } from 'node:buffer';
import { lastAtMost } from '../../bytes/ascending.js';
import { VarveError } from '../../errors/errors.js';
import { DATA } from '../../format/content.js';
import type { Entry } from '../../format/entry.js';
import { Layout } from '../../format/layout.js';
import { locateBlob } from '../../repository/reading/blob-reader.js';
import { checkSize, splitIds } from '../../repository/reading/content-stream.js';
import { type Contents, OUTDATED } from './contents.js';
import type { Source } from './source.js';

/** Bytes that must have been read one after another before what follows is fetched ahead. */
const STEADY = 256 * 1024;
/** Requests of the kernel's own read-ahead may come out of order by so much. */
const JITTER = 2 * 1024 * 1024;
/** Times that a read is begun anew because the index has become another. */
const TRIES = 3;

/** What holes are read as. */
const ZEROS = Buffer.alloc(128 * 1024);

/** A part of what is read: bytes of a blob, and where they go. */
interface Wanted {
  readonly blob: number;
  /** In the blob. */
  readonly from: number;
  readonly length: number;
  /** In what is read. */
  readonly to: number;
}

/** A file of a snapshot that is being read. */
export class OpenFile {
  readonly size: number;
  readonly layout: Layout | undefined;
  readonly #contents: Contents;
  /** Numbers of the blobs, and where in the stream each begins. */
  readonly #blobs: Uint32Array;
  readonly #starts: Float64Array;
  readonly #generation: number;
  #next = -1;
  #steady = 0;
  /** How far into the stream was asked for ahead. */
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

  /** @throws VarveError `damaged` when the index lacks a blob of it, or they are not as many bytes as the entry says */
  static async open(source: Source, contents: Contents, entry: Entry, path: string): Promise<OpenFile> {
    const { content, holes, size } = entry;
    if (content === undefined) throw new VarveError('internal', `${path}: has no content`);
    const ids = content.depth === 0 ? content.ids : await source.retried(() => source.trees.ids(content));
    const attached = holes && (await source.retried(() => source.trees.attachment(holes)));
    const layout = attached && Layout.decode(attached, size, content.size, path);
    // From here on without waiting: the numbers are of the index that there is now.
    const { index } = source.repository;
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
    return new OpenFile(contents, size, layout, blobs, starts, source.generation);
  }

  /** Bytes that it takes, about. */
  get weight(): number {
    return 500 + this.#blobs.length * 12;
  }

  isOf(generation: number): boolean {
    return this.#generation === generation;
  }

  /**
   * What is there at once, as views that are valid until something else is done; undefined when it has to be waited for.
   *
   * @param open whether to open frames here and now, where that is quick
   * @throws VarveError `damaged`
   */
  readNow(offset: number, size: number, open: boolean): Buffer[] | undefined {
    const length = this.#lengthAt(offset, size);
    const wanted = this.#wanted(offset, length);
    const found = this.#views(wanted, length);
    if (found !== undefined || !open) return found;
    for (const { blob } of wanted)
      if (this.#contents.ready(blob) === undefined && this.#contents.openNow(blob) === undefined) return undefined;
    // To open one may have evicted another.
    return this.#views(wanted, length);
  }

  #views(wanted: readonly Wanted[], length: number): Buffer[] | undefined {
    const views: Buffer[] = [];
    let at = 0;
    for (const { blob, from, length: part, to } of wanted) {
      const bytes = this.#contents.ready(blob);
      if (bytes === undefined) return undefined;
      addZeros(views, to - at);
      views.push(bytes.subarray(from, from + part));
      at = to + part;
    }
    addZeros(views, length - at);
    return views;
  }

  /** Waits until what is read is opened: `readNow` then gives it, unless it was evicted again meanwhile. */
  async await(offset: number, size: number): Promise<void> {
    const wanted = this.#wanted(offset, this.#lengthAt(offset, size));
    await this.#contents.use(
      wanted.map(({ blob }) => blob),
      () => undefined,
    );
  }

  /** Waits for it, and copies piece by piece. */
  async read(offset: number, size: number): Promise<Buffer> {
    const length = this.#lengthAt(offset, size);
    const wanted = this.#wanted(offset, length);
    const out = Buffer.alloc(length);
    const blobs = wanted.map(({ blob }) => blob);
    await this.#contents.use(blobs, (bytes, number) => {
      const part = wanted[number] as Wanted;
      bytes.copy(out, part.to, part.from, part.from + part.length);
    });
    return out;
  }

  /** To be called after each read: fetches what a steady reader needs next. */
  lookAhead(offset: number, size: number): void {
    const expected = Math.abs(offset - this.#next) <= JITTER;
    const end = Math.min(this.size, offset + size);
    this.#steady = expected || (this.#next < 0 && offset === 0) ? this.#steady + size : 0;
    this.#next = expected ? Math.max(this.#next, end) : end;
    if (this.#steady < STEADY || this.layout !== undefined) return;
    const to = Math.min(this.size, this.#next + Math.min(this.#contents.reach, this.#steady * 2));
    const from = Math.min(Math.max(this.#ahead, this.#next), to);
    // A few small requests are as long under way as a large one.
    if (to - from < Math.min(this.#contents.reach / 4, this.size - from)) return;
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

  #wanted(offset: number, length: number): Wanted[] {
    if (this.layout === undefined) return this.#inStream(offset, length, 0);
    const wanted: Wanted[] = [];
    for (const piece of this.layout.within(offset, length))
      wanted.push(...this.#inStream(piece.stream, piece.length, piece.file - offset));
    return wanted;
  }

  #inStream(from: number, length: number, to: number): Wanted[] {
    const wanted: Wanted[] = [];
    const end = from + length;
    for (let number = this.#blobAt(from), at = from; at < end; number++) {
      const start = this.#starts[number] as number;
      const stop = Math.min(end, this.#starts[number + 1] as number);
      wanted.push({ blob: this.#blobs[number] as number, from: at - start, length: stop - at, to: to + at - from });
      at = stop;
    }
    return wanted;
  }

  /** The last one when the place is the stream's end. */
  #blobAt(place: number): number {
    return Math.min(lastAtMost(this.#starts, place), Math.max(0, this.#blobs.length - 1));
  }
}

function addZeros(views: Buffer[], count: number): void {
  for (let left = count; left > 0; left -= ZEROS.length) views.push(ZEROS.subarray(0, left));
}

/** Does something with a file, and again when the index has become another meanwhile. */
export async function untilCurrent<Result>(action: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (cause) {
      if (cause !== OUTDATED || tries === TRIES) throw cause;
    }
  }
}
