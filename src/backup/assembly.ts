// Assembles the tree on the main thread from the workers' replies, and divides the work among them.
// What one worker does with its task is in walker.ts and backup-worker.ts.
import { Buffer } from 'node:buffer';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { joinPath } from '../format/path.js';
import type { WorkerPool } from '../workers/pool.js';
import { memoryOf } from './entry-run.js';
import type {
  FileBatch,
  LargeFile,
  LateEntry,
  Note,
  OpenedDirectory,
  PendingDirectory,
  Reply,
  Task,
  WorkerInit,
} from './messages.js';
import { SEGMENT_BYTES } from './walker.js';

/** Pieces of encoded entries, in order of name within each piece. */
type Runs = readonly Uint8Array<ArrayBuffer>[];

export type BackupPool = WorkerPool<WorkerInit, Task, Reply, Note>;

/**
 * Assembles a tree from the workers' replies. It has a directory encoded as soon as everything in it is.
 * Each unfinished directory is a promise that awaits the promises of its children.
 */
export class TreeAssembly {
  readonly #pool: BackupPool;
  readonly #onFailure: (path: Uint8Array, reason: string, bytes: number) => void;
  /** The entries of handed-over files, by the batch's number. */
  readonly #batches = new Map<number, Promise<Runs>>();

  /** @param onFailure called for a large file with an unreadable segment; `bytes` were read of it in vain */
  constructor(pool: BackupPool, onFailure: (path: Uint8Array, reason: string, bytes: number) => void) {
    this.#pool = pool;
    this.#onFailure = onFailure;
  }

  /** Assigns a batch to a worker, while the worker that sent it still walks its directory. */
  accept(number: number, batch: FileBatch): void {
    const entries = this.#files(batch);
    // #complete() awaits it later and sees the error; until then this keeps it from counting as unhandled.
    entries.catch(() => undefined);
    this.#batches.set(number, entries);
  }

  /** Stores a directory and everything below it. @returns its encoded entry; undefined when it could not be read */
  async directory(pending: PendingDirectory): Promise<Uint8Array | undefined> {
    const reply = await this.#pool.run({ kind: 'walk', directory: pending });
    if (reply.kind === 'entry') return reply.raw;
    if (reply.kind !== 'opened') throw unexpected(reply);
    const below = groupByParent(reply.directories);
    const [top] = below.get(-1) ?? [];
    if (top === undefined) throw unexpected(reply);
    return this.#complete(top, below);
  }

  async #complete(
    opened: OpenedDirectory,
    below: ReadonlyMap<number, OpenedDirectory[]>,
  ): Promise<Uint8Array | undefined> {
    const { name, stat, previous, entries, path, xattrs, isRoot } = opened;
    const named = async (of: { name: Uint8Array }, raw: Promise<Uint8Array | undefined>): Promise<LateEntry[]> => {
      const bytes = await raw;
      return bytes === undefined ? [] : [{ name: of.name, raw: bytes }];
    };
    // Awaited together: the first failure is thrown, and the others do not become unhandled rejections.
    const [batches, late] = await Promise.all([
      Promise.all(opened.batches.map((number) => this.#batch(number))),
      Promise.all([
        ...opened.directories.map((each) => named(each, this.directory(each))),
        ...(below.get(opened.local) ?? []).map((each) => named(each, this.#complete(each, below))),
        ...opened.large.map((each) => named(each, this.#largeFile(opened, each))),
      ]),
    ]);
    const runs = [...entries, ...batches.flat()];
    const own = { name, stat, previous, path, xattrs, isRoot };
    return this.#entry({ kind: 'directory', ...own, entries: runs, late: late.flat() }, memoryOf(runs));
  }

  #batch(number: number): Promise<Runs> {
    const batch = this.#batches.get(number);
    if (batch === undefined) throw new VarveError('internal', `batch ${number} was never handed over`);
    this.#batches.delete(number);
    return batch;
  }

  async #files(batch: FileBatch): Promise<Runs> {
    const reply = await this.#pool.run(batch);
    if (reply.kind !== 'entries') throw unexpected(reply);
    return reply.entries;
  }

  /** Divides a file into segments for several workers; each is chunked separately (SPEC.md section 8). */
  async #largeFile({ path: parent, above, stat }: OpenedDirectory, file: LargeFile): Promise<Uint8Array | undefined> {
    const directory = { path: parent, above, device: stat.device, inode: stat.inode };
    const path = joinPath(asBuffer(parent), asBuffer(file.name));
    const segments: Promise<Reply>[] = [];
    for (let offset = 0; offset < file.stored; offset += SEGMENT_BYTES) {
      // The last segment reads to the end, in case the file grows.
      const last = offset + SEGMENT_BYTES >= file.stored;
      const length = last ? Number.MAX_SAFE_INTEGER : SEGMENT_BYTES;
      segments.push(this.#pool.run({ kind: 'segment', directory, file, offset, length }));
    }
    const replies = await Promise.all(segments);
    const failed = replies.find((reply) => reply.kind === 'failed');
    if (failed !== undefined) {
      const sizes = replies.map((reply) => (reply.kind === 'content' ? reply.content.size : 0));
      this.#onFailure(
        path,
        failed.reason,
        sizes.reduce((sum, size) => sum + size, 0),
      );
      return undefined;
    }
    const ids: Buffer[] = [];
    let size = 0;
    for (const reply of replies) {
      if (reply.kind !== 'content') throw unexpected(reply);
      ids.push(asBuffer(reply.content.ids));
      size += reply.content.size;
      if (reply.content.size < SEGMENT_BYTES) break;
    }
    return this.#entry({ kind: 'file', directory, path, file, size, ids: Buffer.concat(ids) });
  }

  async #entry(task: Task, transfer: readonly ArrayBuffer[] = []): Promise<Uint8Array | undefined> {
    const reply = await this.#pool.run(task, transfer);
    if (reply.kind !== 'entry') throw unexpected(reply);
    return reply.raw;
  }
}

function groupByParent(directories: readonly OpenedDirectory[]): Map<number, OpenedDirectory[]> {
  const groups = new Map<number, OpenedDirectory[]>();
  for (const directory of directories) {
    const group = groups.get(directory.parent);
    if (group === undefined) groups.set(directory.parent, [directory]);
    else group.push(directory);
  }
  return groups;
}

function unexpected(reply: Reply): VarveError {
  return new VarveError('internal', `a worker sent the unexpected reply "${reply.kind}"`);
}
