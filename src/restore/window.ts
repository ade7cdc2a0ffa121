// Fetches ranges of packs ahead, within a limit of memory.
// The restore's workers open the frames.
import { Buffer } from 'node:buffer';
import pLimit from 'p-limit';
import { isAboutObject, VarveError } from '../errors/errors.js';
import { DATA } from '../format/content.js';
import type { Layout, Piece } from '../format/layout.js';
import { ID_BYTES } from '../format/limits.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { locateBlob, passOver } from '../repository/reading/blob-reader.js';
import { checkSize } from '../repository/reading/content-stream.js';
import { transferable } from '../workers/transfer.js';
import { inBatches } from './batches.js';
import { beside, splitPath } from './directory-handles.js';
import type { BlobUse, ComparedFile, Comparison, FileTarget, RestorePool, TaskOf } from './messages.js';
import { PlainItems } from './plain-items.js';
import { filesOf, PlannedFile, type Range, type RangeLimits, rangesOf, type Use, type WantedFile } from './plan.js';
import type { RangeBuffers } from './range-buffers.js';
import type { RestoreReporter } from './reporter.js';
import { partName } from './temporary-names.js';

/** Bytes of files that a worker compares in one task. */
const COMPARED_BYTES = 16 * 1024 * 1024;
/** A longer list of ids (bytes) is not sent to a worker for the few ids that it needs. */
const LONG_LIST = 8192;
/** So many bytes of attributes and holes count as one blob in a window's size. */
const BYTES_PER_BLOB = 256;

/**
 * Files that are restored together. Each frame that any of them needs is fetched and opened once, in the order of the packs.
 * Frames that lie near each other are fetched with one request.
 */
export class RestoreWindow {
  readonly #repository: IndexedRepository;
  readonly #pool: RestorePool | undefined;
  readonly #reporter: RestoreReporter;
  readonly #options: WindowOptions;
  #uses: Use[] = [];
  #files: PlannedFile[] = [];
  readonly #plain: PlainItems;
  /** Bytes of attributes and holes. */
  #attached = 0;

  /** @param pool undefined in a dry run with nothing to compare with */
  constructor(
    repository: IndexedRepository,
    pool: RestorePool | undefined,
    reporter: RestoreReporter,
    options: WindowOptions,
  ) {
    this.#repository = repository;
    this.#pool = pool;
    this.#reporter = reporter;
    this.#options = options;
    this.#plain = new PlainItems(reporter);
  }

  /** How much is planned, in blobs. */
  get size(): number {
    return this.#uses.length + this.#files.length + this.#plain.count + Math.floor(this.#attached / BYTES_PER_BLOB);
  }

  /**
   * Plans a file.
   *
   * @throws VarveError `damaged` when a blob is not in the index, or the blobs' lengths do not add up to the size
   */
  addFile(wanted: WantedFile): void {
    const { xattrs, holes } = wanted;
    const { file, uses } = this.#planFile(wanted);
    for (const use of uses) this.#uses.push(use);
    this.#files.push(file);
    this.#attached += (xattrs?.length ?? 0) + (holes?.length ?? 0);
  }

  #planFile(wanted: WantedFile): { readonly file: PlannedFile; readonly uses: readonly Use[] } {
    const { ids, stored } = wanted;
    const file = new PlannedFile(wanted);
    const { index } = this.#repository;
    const uses: Use[] = [];
    let stream = 0;
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const id = ids.subarray(at, at + ID_BYTES);
      locateBlob(index, id, DATA);
      const blob = index.find(id);
      uses.push({ blob, file, stream, part: uses.length });
      stream += index.lengthOf(blob);
    }
    checkSize(stream, stored);
    return { file, uses };
  }

  /**
   * Plans an item without blobs: a new empty file, a symbolic link, a special file.
   *
   * @param existing whether something of the same type exists, which may match
   */
  addPlain(target: FileTarget, size: number, existing = false): void {
    this.#plain.add({ target, size, existing });
    this.#attached += target.xattrs?.length ?? 0;
  }

  /** Restores what was planned. */
  async run(): Promise<void> {
    const pool = this.#pool;
    if (pool !== undefined) await this.#plain.dropMatching(pool);
    await this.#compareFiles();
    if (pool === undefined || this.#options.dryRun) this.#reportAll();
    else await this.#restoreAll(pool);
  }

  async #restoreAll(pool: RestorePool): Promise<void> {
    await Promise.all([this.#plain.restore(pool), this.#restoreFiles(pool, this.#files, this.#uses)]);
    if (this.#options.verify) await this.#verifyFiles(pool);
  }

  /** Restores files, and again from other copies of their blobs where one cannot be read. */
  async #restoreFiles(pool: RestorePool, files: readonly PlannedFile[], uses: Use[]): Promise<void> {
    const { index, store } = this.#repository;
    const ranges = rangesOf(uses, index, this.#options.limits);
    for (const range of ranges) this.#countRange(range);
    const limit = pLimit(store.connections === undefined ? pool.size * 2 : pool.size + store.connections);
    await Promise.all(ranges.map((range) => limit(() => this.#runRange(pool, range))));
    await this.#finishFiles(pool, files);
    const again = files.filter((file) => file.again).map(({ wanted }) => this.#planFile(wanted));
    if (again.length === 0) return;
    const planned = again.map(({ file }) => file);
    this.#files = [...this.#files.filter((file) => !file.again), ...planned];
    const usesAgain = again.flatMap((each) => each.uses);
    await this.#restoreFiles(pool, planned, usesAgain);
  }

  /** Reports what would be restored. */
  #reportAll(): void {
    const { index } = this.#repository;
    for (const { blob } of this.#uses) this.#reporter.bytesWritten(index.lengthOf(blob));
    for (const { path, size } of this.#files) this.#reporter.restored(path, size);
    this.#plain.reportAll();
  }

  /** The temporary files of this window, some of which exist after a failure. */
  get leftovers(): Buffer[] {
    return this.#files.flatMap(({ path, temporary }) => (temporary === undefined ? [] : [beside(path, temporary)]));
  }

  /** Compares with existing files. Drops files that match from the plan, and of other files the blobs that exist. */
  async #compareFiles(): Promise<void> {
    const pool = this.#pool;
    const wanted = this.#files.filter(({ wanted: { existing, part } }) => existing || part !== undefined);
    if (pool === undefined || wanted.length === 0) return;
    const gone = new Set<PlannedFile>();
    await Promise.all(
      inBatches(wanted, COMPARED_BYTES).map(async (files) => {
        const targets = files.map(
          (file): ComparedFile => ({
            ...this.#targetOf(file),
            temporary: this.#partName(file),
            ids: file.wanted.ids,
            part: file.wanted.part,
          }),
        );
        const { errors, failed, comparisons } = await pool.run({ kind: 'compare', files: targets });
        this.#reporter.errors(errors);
        for (const [number, file] of files.entries()) {
          if (failed.includes(number)) gone.add(file);
          else if (this.#isDone(file, comparisons[number] as Comparison)) gone.add(file);
        }
      }),
    );
    this.#files = this.#files.filter((file) => !gone.has(file));
    this.#uses = this.#uses.filter(({ file, part }) => !gone.has(file) && file.kept?.[part] !== 1);
  }

  /** Applies the result of a comparison. @returns whether the file leaves the plan: it matches, or it is empty and became a plain item */
  #isDone(file: PlannedFile, comparison: Comparison): boolean {
    const { outcome } = comparison;
    if (outcome === 'same' || outcome === 'updated') {
      this.#reporter.bytesSkipped(file.wanted.stored);
      this.#reporter.kept(file.path, file.size, outcome === 'updated');
      return true;
    }
    if (outcome === 'partly') {
      file.kept = comparison.kept;
      file.temporary = this.#partName(file);
      this.#reporter.bytesSkipped(this.#keptBytes(file));
      return false;
    }
    if (file.wanted.ids.length > 0) return false;
    this.addPlain(this.#targetOf(file), file.size);
    return true;
  }

  #keptBytes({ wanted: { ids }, kept }: PlannedFile): number {
    const { index } = this.#repository;
    let bytes = 0;
    for (const [number, held] of (kept ?? []).entries())
      if (held === 1) bytes += index.lengthOf(index.find(ids, number * ID_BYTES));
    return bytes;
  }

  #partName({ path }: PlannedFile): Buffer {
    return partName(splitPath(path).name, this.#options.run);
  }

  #targetOf({ wanted, temporary }: PlannedFile): FileTarget {
    const { path, raw, xattrs, holes } = wanted;
    const target = { path, raw, temporary };
    return xattrs === undefined && holes === undefined ? target : { ...target, xattrs, holes };
  }

  async #runRange(pool: RestorePool, range: Range): Promise<void> {
    const { buffers } = this.#options;
    const into = buffers.take(range.end - range.start);
    try {
      const bytes = await this.#fetch(pool, range, into);
      if (bytes !== undefined) await this.#write(pool, range, bytes);
    } finally {
      buffers.release(into);
    }
  }

  async #write(pool: RestorePool, range: Range, bytes: Buffer): Promise<void> {
    const numbers = new Map<PlannedFile, number>();
    const files: PlannedFile[] = [];
    const frames = range.frames.map(({ frame, uses }) => ({
      frame,
      uses: uses.filter(isWanted).map(({ blob, file, stream, part }): BlobUse => {
        let number = numbers.get(file);
        if (number === undefined) {
          number = files.push(file) - 1;
          numbers.set(file, number);
        }
        const use = { blob, id: idOf(file, part), stream, file: number };
        const { layout } = file.wanted;
        return layout === undefined ? use : { ...use, pieces: this.#pieces(layout, stream, blob) };
      }),
    }));
    const targets = files.map((file) => this.#targetOf(file));
    const task: TaskOf<'write'> = { kind: 'write', bytes, start: range.start, frames, files: targets };
    const reply = await pool.run(task, transferable(bytes));
    this.#reporter.errors(reply.errors);
    for (const number of reply.failed) this.#fail(files[number] as PlannedFile);
    for (const { file, pack, message } of reply.again) {
      this.#repository.badCopies.report(pack, new VarveError('damaged', message));
      this.#tryAgain(files[file] as PlannedFile);
    }
    this.#report(range);
  }

  /** The pieces of one blob: workers get these instead of the layout, which may be long. */
  #pieces(layout: Layout, stream: number, blob: number): Piece[] {
    return [...layout.pieces(stream, this.#repository.index.lengthOf(blob))];
  }

  /** @returns undefined when the range cannot be read: then each frame is tried by itself, and failures are reported */
  async #fetch(pool: RestorePool, range: Range, into: Buffer | undefined): Promise<Buffer | undefined> {
    const { store, index } = this.#repository;
    const where = { offset: range.start, length: range.end - range.start };
    try {
      return await store.get('data', index.packName(range.pack), where, into && { into: into });
    } catch (cause) {
      const error = VarveError.from(cause);
      // A damaged or missing pack fails only the files that need it.
      if (!isAboutObject(error)) throw error;
      if (range.frames.length > 1) await this.#runFramesSeparately(pool, range);
      else this.#failRange(range, error);
      return undefined;
    }
  }

  /** Restores each frame by itself: the beginning of a truncated pack can still be read. */
  async #runFramesSeparately(pool: RestorePool, { pack, frames }: Range): Promise<void> {
    const { index } = this.#repository;
    const parts = frames.map((each): Range => {
      const { offset, storedLength, rawLength } = index.frame(each.frame);
      return { pack, start: offset, end: offset + storedLength, rawBytes: rawLength, frames: [each] };
    });
    for (const file of filesOf(frames)) file.ranges--;
    for (const part of parts) this.#countRange(part);
    for (const part of parts) await this.#runRange(pool, part);
  }

  #failRange({ frames }: Range, error: VarveError): void {
    const { index, badCopies } = this.#repository;
    const lost = new Set<PlannedFile>();
    for (const { uses } of frames)
      for (const { blob, file } of uses) if (!passOver(index, blob, error, badCopies)) lost.add(file);
    for (const file of filesOf(frames)) {
      file.ranges--;
      if (file.failed) continue;
      if (!lost.has(file)) {
        this.#tryAgain(file);
        continue;
      }
      this.#fail(file);
      this.#reporter.errors([{ path: file.path, message: error.message, kind: 'content' }]);
    }
  }

  #report({ frames }: Range): void {
    const { index } = this.#repository;
    let bytes = 0;
    for (const { uses } of frames) {
      for (const { blob, file } of uses.filter(isWanted)) {
        const length = index.lengthOf(blob);
        file.reported += length;
        bytes += length;
      }
    }
    this.#reporter.bytesWritten(bytes);
    for (const file of filesOf(frames)) {
      file.ranges--;
      if (file.ranges === 0 && file.temporary === undefined && !file.failed)
        this.#reporter.restored(file.path, file.size);
    }
  }

  /** Takes back the bytes counted as restored. */
  #fail(file: PlannedFile): void {
    if (!file.failed) this.#reporter.bytesWritten(-file.reported);
    file.failed = true;
  }

  /** Has the file restored again, from other copies of its blobs. */
  #tryAgain(file: PlannedFile): void {
    this.#fail(file);
    file.again = true;
  }

  /** Counts the range for its files. A file in several ranges gets the name of a part. */
  #countRange({ frames }: Range): void {
    for (const file of filesOf(frames)) {
      file.ranges++;
      if (file.ranges > 1) file.temporary ??= this.#partName(file);
    }
  }

  /** Finishes files that several tasks wrote, and removes those that failed. */
  async #finishFiles(pool: RestorePool, files: readonly PlannedFile[]): Promise<void> {
    const grown = files.filter((file) => file.temporary !== undefined);
    await Promise.all(
      inBatches(grown).map(async (batch) => {
        const complete = batch.filter((file) => !file.failed);
        const broken = batch
          .filter((file) => file.failed)
          .map(({ path, temporary }) => beside(path, temporary as Buffer));
        if (broken.length > 0) await pool.run({ kind: 'discard', files: broken });
        if (complete.length === 0) return;
        const targets = complete.map((file) => this.#targetOf(file));
        const { errors, failed } = await pool.run({ kind: 'finish', files: targets });
        this.#reporter.errors(errors);
        for (const [number, file] of complete.entries()) {
          if (failed.includes(number)) this.#fail(file);
          else this.#reporter.restored(file.path, file.size);
        }
      }),
    );
  }

  async #verifyFiles(pool: RestorePool): Promise<void> {
    await Promise.all(
      this.#files.map(async (file) => {
        if (file.failed) return;
        const compared = { ...this.#targetOf(file), ids: file.wanted.ids, part: undefined };
        const { errors } = await pool.run({ kind: 'verify', file: compared });
        this.#reporter.errors(errors);
      }),
    );
  }
}

export interface WindowOptions {
  readonly verify: boolean;
  readonly dryRun: boolean;
  /** The name of the run; part of the names of temporary files. */
  readonly run: string;
  readonly limits: RangeLimits;
  /** Shared by all windows; each buffer is as large as `limits` allow a range to be. */
  readonly buffers: RangeBuffers;
}

function idOf({ wanted: { ids } }: PlannedFile, part: number): Buffer {
  const id = ids.subarray(part * ID_BYTES, (part + 1) * ID_BYTES);
  // Sending a view would send the whole buffer behind it.
  return ids.length > LONG_LIST ? Buffer.from(id) : id;
}

/** Skips files that have failed. */
const isWanted = ({ file }: Use): boolean => !file.failed;
