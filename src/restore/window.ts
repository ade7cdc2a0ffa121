import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import pLimit from 'p-limit';
import { type ErrorCode, VarveError } from '../errors/errors.js';
import { DATA } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';
import { checkSize, locateBlob } from '../repository/blob-reader.js';
import type { IndexedRepository } from '../repository/index-store.js';
import type { WorkerPool } from '../workers/pool.js';
import { beside } from './folder-handles.js';
import type { BlobUse, FileTarget, ItemError, Reply, Task, WorkerInit } from './messages.js';

export type RestorePool = WorkerPool<WorkerInit, Task, Reply>;

/** Bytes of a pack that are fetched and handed to a worker together. */
const RANGE_BYTES = 4 * 1024 * 1024;
/** Bytes that the frames of a range may have when opened. */
const RANGE_RAW_BYTES = 32 * 1024 * 1024;
/** Bytes that are fetched in vain rather than starting another range. */
const MAX_GAP = 256 * 1024;
/** Files without content, or to be finished, that a worker gets together. */
const BATCH = 256;
/** What fetching a damaged or lost pack ends with: only the files that need it suffer. */
const LOST: readonly ErrorCode[] = ['damaged', 'not-found', 'storage'];

interface PlannedFile {
  readonly path: Buffer;
  readonly raw: Buffer;
  readonly size: number;
  readonly ids: Buffer;
  /** Ranges that still have something for it. */
  ranges: number;
  /** Its name while it grows, when more than one range has something for it. */
  temporary: Buffer | undefined;
  /** Bytes of it that were told as restored. */
  told: number;
  failed: boolean;
}

interface Use {
  readonly blob: number;
  readonly file: PlannedFile;
  readonly offset: number;
  /** Number of the blob in the file. */
  readonly part: number;
}

/** A piece of a pack, and what it is needed for. */
interface Range {
  readonly pack: number;
  readonly start: number;
  end: number;
  rawBytes: number;
  readonly frames: { readonly frame: number; readonly uses: Use[] }[];
}

/** What a window tells about each file. */
export interface WindowEvents {
  done(path: Buffer, size: number): void;
  bytes(count: number): void;
  errors(errors: readonly ItemError[]): void;
}

/**
 * Files that are restored together: each frame that any of them needs is fetched and opened once, in the order of the packs, and
 * frames that lie near each other are fetched in one go.
 */
export class RestoreWindow {
  readonly #repository: IndexedRepository;
  readonly #pool: RestorePool;
  readonly #events: WindowEvents;
  readonly #verify: boolean;
  readonly #suffix = randomBytes(6).toString('hex');
  #uses: Use[] = [];
  #files: PlannedFile[] = [];
  #plain: FileTarget[] = [];
  #nextTemporary = 0;

  constructor(repository: IndexedRepository, pool: RestorePool, events: WindowEvents, verify: boolean) {
    this.#repository = repository;
    this.#pool = pool;
    this.#events = events;
    this.#verify = verify;
  }

  /** Blobs to be written. */
  get size(): number {
    return this.#uses.length + this.#plain.length;
  }

  /**
   * Plans a file.
   *
   * @param raw its encoded entry
   * @param ids its blobs
   * @throws VarveError `damaged` when the index lacks a blob, or the blobs do not make up the size
   */
  addFile(path: Buffer, raw: Buffer, size: number, ids: Buffer): void {
    const file: PlannedFile = { path, raw, size, ids, ranges: 0, temporary: undefined, told: 0, failed: false };
    const { index } = this.#repository;
    const uses: Use[] = [];
    let offset = 0;
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const id = ids.subarray(at, at + ID_BYTES);
      locateBlob(index, id, DATA);
      const blob = index.find(id);
      uses.push({ blob, file, offset, part: uses.length });
      offset += index.lengthOf(blob);
    }
    checkSize(offset, size);
    for (const use of uses) this.#uses.push(use);
    this.#files.push(file);
  }

  /** Plans what has no blobs: empty files, links, devices. */
  addPlain(path: Buffer, raw: Buffer): void {
    this.#plain.push({ path, raw, temporary: undefined });
  }

  /** Restores what was planned, and forgets it. */
  async run(): Promise<void> {
    const ranges = this.#ranges();
    const limit = pLimit(this.#pool.size * 2);
    await Promise.all([this.#runPlain(), ...ranges.map((range) => limit(() => this.#runRange(range)))]);
    await this.#finishFiles();
    if (this.#verify) await this.#verifyFiles();
    this.#uses = [];
    this.#files = [];
    this.#plain = [];
  }

  /** Temporary files that a window which was broken off may have left. */
  get leftovers(): Buffer[] {
    return this.#files.flatMap(({ path, temporary }) => (temporary === undefined ? [] : [beside(path, temporary)]));
  }

  /** Blobs are numbered in the order in which they lie in the packs. */
  #ranges(): Range[] {
    const { index } = this.#repository;
    const ranges: Range[] = [];
    let range: Range | undefined;
    let frame = -1;
    for (const use of this.#uses.sort((a, b) => a.blob - b.blob)) {
      const location = index.locateFrame(use.blob);
      if (location !== frame) {
        frame = location;
        range = this.#extend(range, ranges, frame);
      }
      (range as Range).frames.at(-1)?.uses.push(use);
    }
    for (const each of ranges) this.#count(each);
    return ranges;
  }

  #extend(range: Range | undefined, ranges: Range[], frame: number): Range {
    const { pack, offset, storedLength, rawLength } = this.#repository.index.frame(frame);
    const end = offset + storedLength;
    const joins =
      range !== undefined &&
      range.pack === pack &&
      offset - range.end <= MAX_GAP &&
      end - range.start <= RANGE_BYTES &&
      range.rawBytes + rawLength <= RANGE_RAW_BYTES;
    const next = joins ? range : { pack, start: offset, end, rawBytes: 0, frames: [] };
    if (!joins) ranges.push(next);
    next.end = end;
    next.rawBytes += rawLength;
    next.frames.push({ frame, uses: [] });
    return next;
  }

  async #runRange(range: Range): Promise<void> {
    const bytes = await this.#fetch(range);
    if (bytes === undefined) return;
    const numbers = new Map<PlannedFile, number>();
    const files: PlannedFile[] = [];
    const frames = range.frames.map(({ frame, uses }) => ({
      frame,
      uses: uses.filter(isWanted).map(({ blob, file, offset, part }): BlobUse => {
        let number = numbers.get(file);
        if (number === undefined) {
          number = files.push(file) - 1;
          numbers.set(file, number);
        }
        const id = file.ids.subarray(part * ID_BYTES, (part + 1) * ID_BYTES);
        return { blob, id, fileOffset: offset, file: number };
      }),
    }));
    const targets = files.map(({ path, raw, temporary }): FileTarget => ({ path, raw, temporary }));
    const task: Task = { kind: 'write', bytes, start: range.start, frames, files: targets };
    const reply = await this.#pool.run(task, movable(bytes));
    this.#events.errors(reply.errors);
    for (const number of reply.failed) this.#fail(files[number] as PlannedFile);
    this.#account(range);
  }

  /** The range's bytes; undefined when they cannot be had: then what can be restored of the range is, and the rest is told. */
  async #fetch(range: Range): Promise<Buffer | undefined> {
    const { store, index } = this.#repository;
    const where = { offset: range.start, length: range.end - range.start };
    try {
      return await store.get('data', index.packName(range.pack), where);
    } catch (cause) {
      const error = VarveError.from(cause);
      if (!LOST.includes(error.code)) throw error;
      if (range.frames.length > 1) await this.#runApart(range);
      else this.#lose(range, error);
      return undefined;
    }
  }

  /** Each frame for itself: of a pack that is cut off the beginning can be read. */
  async #runApart({ pack, frames }: Range): Promise<void> {
    const { index } = this.#repository;
    const parts = frames.map((each): Range => {
      const { offset, storedLength, rawLength } = index.frame(each.frame);
      return { pack, start: offset, end: offset + storedLength, rawBytes: rawLength, frames: [each] };
    });
    for (const file of filesOf(frames)) file.ranges--;
    for (const part of parts) this.#count(part);
    for (const part of parts) await this.#runRange(part);
  }

  #lose({ frames }: Range, error: VarveError): void {
    for (const file of filesOf(frames)) {
      file.ranges--;
      if (file.failed) continue;
      this.#fail(file);
      this.#events.errors([{ path: file.path, message: error.message, warning: false }]);
    }
  }

  #account({ frames }: Range): void {
    const { index } = this.#repository;
    let bytes = 0;
    for (const { uses } of frames) {
      for (const { blob, file } of uses.filter(isWanted)) {
        const length = index.lengthOf(blob);
        file.told += length;
        bytes += length;
      }
    }
    this.#events.bytes(bytes);
    for (const file of filesOf(frames)) {
      file.ranges--;
      if (file.ranges === 0 && file.temporary === undefined && !file.failed) this.#events.done(file.path, file.size);
    }
  }

  /** Nothing of it counts as restored. */
  #fail(file: PlannedFile): void {
    if (!file.failed) this.#events.bytes(-file.told);
    file.failed = true;
  }

  /** A file that is not written in one go grows under a name that says so. */
  #count({ frames }: Range): void {
    for (const file of filesOf(frames)) {
      file.ranges++;
      if (file.ranges > 1) file.temporary ??= Buffer.from(`.varve-${this.#suffix}-${this.#nextTemporary++}`);
    }
  }

  async #runPlain(): Promise<void> {
    const batches = inBatches(this.#plain);
    await Promise.all(
      batches.map(async (files) => {
        const { errors, failed } = await this.#pool.run({ kind: 'plain', files });
        this.#events.errors(errors);
        for (const [number, { path }] of files.entries()) {
          if (!failed.includes(number)) this.#events.done(Buffer.from(path), 0);
        }
      }),
    );
  }

  /** Files that several workers wrote get their names now; of those that failed, the beginnings are removed. */
  async #finishFiles(): Promise<void> {
    const grown = this.#files.filter((file) => file.temporary !== undefined);
    await Promise.all(
      inBatches(grown).map(async (files) => {
        const complete = files.filter((file) => !file.failed);
        const broken = files
          .filter((file) => file.failed)
          .map(({ path, temporary }) => beside(path, temporary as Buffer));
        if (broken.length > 0) await this.#pool.run({ kind: 'discard', files: broken });
        if (complete.length === 0) return;
        const targets = complete.map(({ path, raw, temporary }) => ({ path, raw, temporary }));
        const { errors, failed } = await this.#pool.run({ kind: 'finish', files: targets });
        this.#events.errors(errors);
        for (const [number, file] of complete.entries()) {
          if (failed.includes(number)) this.#fail(file);
          else this.#events.done(file.path, file.size);
        }
      }),
    );
  }

  async #verifyFiles(): Promise<void> {
    const { index } = this.#repository;
    await Promise.all(
      this.#files.map(async ({ path, raw, ids, failed }) => {
        if (failed) return;
        const lengths: number[] = [];
        for (let at = 0; at < ids.length; at += ID_BYTES)
          lengths.push(index.lengthOf(index.find(ids.subarray(at, at + ID_BYTES))));
        const file = { path, raw, temporary: undefined };
        const { errors } = await this.#pool.run({ kind: 'verify', file, lengths, ids });
        this.#events.errors(errors);
      }),
    );
  }
}

/** Nothing more is written to a file that cannot become whole. */
const isWanted = ({ file }: Use): boolean => !file.failed;

function filesOf(frames: Range['frames']): Set<PlannedFile> {
  const files = new Set<PlannedFile>();
  for (const { uses } of frames) for (const { file } of uses) files.add(file);
  return files;
}

function inBatches<Item>(items: readonly Item[]): Item[][] {
  const batches: Item[][] = [];
  for (let at = 0; at < items.length; at += BATCH) batches.push(items.slice(at, at + BATCH));
  return batches;
}

/** A buffer's memory can be moved to a worker when nothing else lies in it. */
function movable(bytes: Buffer): ArrayBuffer[] {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length ? [buffer] : [];
}
