import { Buffer } from 'node:buffer';
import pLimit from 'p-limit';
import { isAboutObject, VarveError } from '../errors/errors.js';
import { DATA } from '../format/content.js';
import type { Layout, Piece } from '../format/layout.js';
import { ID_BYTES } from '../format/limits.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { locateBlob } from '../repository/reading/blob-reader.js';
import { checkSize } from '../repository/reading/content-stream.js';
import { transferable } from '../workers/transfer.js';
import type { Account } from './account.js';
import { inBatches } from './batches.js';
import { beside, splitPath } from './directory-handles.js';
import type { BlobUse, ComparedFile, Comparison, FileTarget, RestorePool, Task } from './messages.js';
import { PlainItems } from './plain-items.js';
import { filesOf, PlannedFile, type Range, type RangeLimits, rangesOf, type Use, type WantedFile } from './plan.js';
import type { Rooms } from './rooms.js';
import { partName } from './temporary-names.js';

/** Bytes of files that a worker compares together. */
const COMPARED_BYTES = 16 * 1024 * 1024;
/** Bytes of ids that are not sent to a worker for the sake of a few of them. */
const LONG_LIST = 8192;
/** Bytes of attributes and holes that count as much as a blob in a window. */
const BYTES_PER_BLOB = 256;

/**
 * Files that are restored together: each frame that any of them needs is fetched and opened once, in the order of the packs, and
 * frames that lie near each other are fetched in one go.
 */
export class RestoreWindow {
  readonly #repository: IndexedRepository;
  readonly #pool: RestorePool | undefined;
  readonly #account: Account;
  readonly #options: WindowOptions;
  #uses: Use[] = [];
  #files: PlannedFile[] = [];
  readonly #plain: PlainItems;
  /** Bytes of attributes and holes. */
  #attached = 0;

  /** @param pool undefined when there is nothing to compare with in a dry run */
  constructor(repository: IndexedRepository, pool: RestorePool | undefined, account: Account, options: WindowOptions) {
    this.#repository = repository;
    this.#pool = pool;
    this.#account = account;
    this.#options = options;
    this.#plain = new PlainItems(account);
  }

  /** Blobs to be written. */
  get size(): number {
    return this.#uses.length + this.#files.length + this.#plain.count + Math.floor(this.#attached / BYTES_PER_BLOB);
  }

  /**
   * Plans a file.
   *
   * @throws VarveError `damaged` when the index lacks a blob, or the blobs do not make up the size
   */
  addFile(wanted: WantedFile): void {
    const { ids, stored, xattrs, holes } = wanted;
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
    for (const use of uses) this.#uses.push(use);
    this.#files.push(file);
    this.#attached += (xattrs?.length ?? 0) + (holes?.length ?? 0);
  }

  /**
   * Plans what has no blobs: new empty files, links, devices.
   *
   * @param existing whether something of its kind is there, which may be right
   */
  addPlain(target: FileTarget, size: number, existing = false): void {
    this.#plain.add({ target, size, existing });
    this.#attached += target.xattrs?.length ?? 0;
  }

  /** Restores what was planned. */
  async run(): Promise<void> {
    const pool = this.#pool;
    if (pool !== undefined) await this.#plain.dropStanding(pool);
    await this.#compareFiles();
    if (pool === undefined || this.#options.dryRun) this.#tellAll();
    else await this.#restoreAll(pool);
  }

  async #restoreAll(pool: RestorePool): Promise<void> {
    const { index, store } = this.#repository;
    const ranges = rangesOf(this.#uses, index, this.#options.limits);
    for (const range of ranges) this.#count(range);
    const limit = pLimit(store.connections === undefined ? pool.size * 2 : pool.size + store.connections);
    await Promise.all([this.#plain.restore(pool), ...ranges.map((range) => limit(() => this.#runRange(pool, range)))]);
    await this.#finishFiles(pool);
    if (this.#options.verify) await this.#verifyFiles(pool);
  }

  /** What would be restored. */
  #tellAll(): void {
    const { index } = this.#repository;
    for (const { blob } of this.#uses) this.#account.bytes(index.lengthOf(blob));
    for (const { path, size } of this.#files) this.#account.done(path, size);
    this.#plain.tellAll();
  }

  /** Temporary files that a window which was broken off may have left. */
  get leftovers(): Buffer[] {
    return this.#files.flatMap(({ path, temporary }) => (temporary === undefined ? [] : [beside(path, temporary)]));
  }

  /** Files that are right are dropped from the plan, and of others the blobs that are there. */
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
        const { errors, failed, compared } = await pool.run({ kind: 'compare', files: targets });
        this.#account.errors(errors);
        for (const [number, file] of files.entries()) {
          if (failed.includes(number)) gone.add(file);
          else if (this.#isDone(file, compared[number] as Comparison)) gone.add(file);
        }
      }),
    );
    this.#files = this.#files.filter((file) => !gone.has(file));
    this.#uses = this.#uses.filter(({ file, part }) => !gone.has(file) && file.kept?.[part] !== 1);
  }

  /** Takes account of what is there. @returns whether nothing of the file's content is to be written, or it has become a plain one */
  #isDone(file: PlannedFile, comparison: Comparison): boolean {
    const { outcome } = comparison;
    if (outcome === 'same' || outcome === 'updated') {
      this.#account.skipped(file.wanted.stored);
      this.#account.left(file.path, file.size, outcome === 'updated');
      return true;
    }
    if (outcome === 'partly') {
      file.kept = comparison.kept;
      file.temporary = this.#partName(file);
      this.#account.skipped(this.#keptBytes(file));
      return false;
    }
    if (file.wanted.ids.length > 0) return false;
    this.addPlain(this.#targetOf(file), file.size);
    return true;
  }

  #keptBytes({ wanted: { ids }, kept }: PlannedFile): number {
    const { index } = this.#repository;
    let bytes = 0;
    for (const [number, there] of (kept ?? []).entries())
      if (there === 1) bytes += index.lengthOf(index.find(ids, number * ID_BYTES));
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
    const { rooms } = this.#options;
    const room = rooms.take(range.end - range.start);
    try {
      const bytes = await this.#fetch(pool, range, room);
      if (bytes !== undefined) await this.#write(pool, range, bytes);
    } finally {
      rooms.give(room);
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
    const task: Task = { kind: 'write', bytes, start: range.start, frames, files: targets };
    const reply = await pool.run(task, transferable(bytes));
    this.#account.errors(reply.errors);
    for (const number of reply.failed) this.#fail(files[number] as PlannedFile);
    this.#tell(range);
  }

  /** Workers are told the places of a blob, not the layout: that may be long. */
  #pieces(layout: Layout, stream: number, blob: number): Piece[] {
    return [...layout.pieces(stream, this.#repository.index.lengthOf(blob))];
  }

  /** The range's bytes; undefined when they cannot be had: then what can be restored of the range is, and the rest is told. */
  async #fetch(pool: RestorePool, range: Range, room: Buffer | undefined): Promise<Buffer | undefined> {
    const { store, index } = this.#repository;
    const where = { offset: range.start, length: range.end - range.start };
    try {
      return await store.get('data', index.packName(range.pack), where, room && { room });
    } catch (cause) {
      const error = VarveError.from(cause);
      // Only the files that need it suffer.
      if (!isAboutObject(error)) throw error;
      if (range.frames.length > 1) await this.#runApart(pool, range);
      else this.#lose(range, error);
      return undefined;
    }
  }

  /** Each frame for itself: of a pack that is cut off the beginning can be read. */
  async #runApart(pool: RestorePool, { pack, frames }: Range): Promise<void> {
    const { index } = this.#repository;
    const parts = frames.map((each): Range => {
      const { offset, storedLength, rawLength } = index.frame(each.frame);
      return { pack, start: offset, end: offset + storedLength, rawBytes: rawLength, frames: [each] };
    });
    for (const file of filesOf(frames)) file.ranges--;
    for (const part of parts) this.#count(part);
    for (const part of parts) await this.#runRange(pool, part);
  }

  #lose({ frames }: Range, error: VarveError): void {
    for (const file of filesOf(frames)) {
      file.ranges--;
      if (file.failed) continue;
      this.#fail(file);
      this.#account.errors([{ path: file.path, message: error.message, kind: 'content' }]);
    }
  }

  #tell({ frames }: Range): void {
    const { index } = this.#repository;
    let bytes = 0;
    for (const { uses } of frames) {
      for (const { blob, file } of uses.filter(isWanted)) {
        const length = index.lengthOf(blob);
        file.told += length;
        bytes += length;
      }
    }
    this.#account.bytes(bytes);
    for (const file of filesOf(frames)) {
      file.ranges--;
      if (file.ranges === 0 && file.temporary === undefined && !file.failed) this.#account.done(file.path, file.size);
    }
  }

  /** Nothing of it counts as restored. */
  #fail(file: PlannedFile): void {
    if (!file.failed) this.#account.bytes(-file.told);
    file.failed = true;
  }

  /** A file that is not written in one go grows under a name that says so. */
  #count({ frames }: Range): void {
    for (const file of filesOf(frames)) {
      file.ranges++;
      if (file.ranges > 1) file.temporary ??= this.#partName(file);
    }
  }

  /** Files that several workers wrote get their names now; of those that failed, the beginnings are removed. */
  async #finishFiles(pool: RestorePool): Promise<void> {
    const grown = this.#files.filter((file) => file.temporary !== undefined);
    await Promise.all(
      inBatches(grown).map(async (files) => {
        const complete = files.filter((file) => !file.failed);
        const broken = files
          .filter((file) => file.failed)
          .map(({ path, temporary }) => beside(path, temporary as Buffer));
        if (broken.length > 0) await pool.run({ kind: 'discard', files: broken });
        if (complete.length === 0) return;
        const targets = complete.map((file) => this.#targetOf(file));
        const { errors, failed } = await pool.run({ kind: 'finish', files: targets });
        this.#account.errors(errors);
        for (const [number, file] of complete.entries()) {
          if (failed.includes(number)) this.#fail(file);
          else this.#account.done(file.path, file.size);
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
        this.#account.errors(errors);
      }),
    );
  }
}

export interface WindowOptions {
  readonly verify: boolean;
  readonly dryRun: boolean;
  /** Part of the names of temporary files. */
  readonly run: string;
  readonly limits: RangeLimits;
  /** As large as the limits let a range be, and shared by all windows. */
  readonly rooms: Rooms;
}

function idOf({ wanted: { ids } }: PlannedFile, part: number): Buffer {
  const id = ids.subarray(part * ID_BYTES, (part + 1) * ID_BYTES);
  // With a view all the memory around it is sent.
  return ids.length > LONG_LIST ? Buffer.from(id) : id;
}

/** Nothing more is written to a file that cannot become whole. */
const isWanted = ({ file }: Use): boolean => !file.failed;
