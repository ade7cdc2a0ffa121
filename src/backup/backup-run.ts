// The threads, buffers and uploads of one backup.
// backup.ts decides what snapshot is made of the result.
import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../bytes/writer.js';
import { exportKeys } from '../crypto/hierarchy.js';
import { isInterrupted, throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import { bareDirectory, writeEntry } from '../format/entry.js';
import { recordFromThread } from '../format/pack-record.js';
import type { SnapshotSummary } from '../format/snapshot.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { PACK_TARGET } from '../repository/packs/pack-writer.js';
import { gearOf } from '../repository/repository.js';
import { knownTreeKeys, rememberTreeKeys, type TreeKey } from '../repository/tree-keys.js';
import { FreshSet } from '../repository/writing/fresh-set.js';
import { openSharedSink, type PackSink } from '../repository/writing/pack-sink.js';
import type { Time } from '../time/time.js';
import { defaultThreads, startThreads, WorkerPool } from '../workers/pool.js';
import type { SharedBuffers } from '../workers/shared-buffers.js';
import { serveSyncCalls } from '../workers/sync-call.js';
import { type BackupPool, TreeAssembly } from './assembly.js';
import { count, createCounters, sumCounters } from './counters.js';
import { CurrentFile } from './current-file.js';
import type { ChangeReport, ErrorReport, FrameRequest, ItemReport, Note, PendingDirectory } from './messages.js';
import { SharedFlag } from './messages.js';
import type { BackupOptions, BackupProgress } from './options.js';
import { readEntry } from './previous.js';
import { Scan } from './scan.js';
import { createTallies, type SourceCount, SourceTally, sumSources, type TallyHandle } from './source-tally.js';
import { findSources, pathInSnapshot, type SourceRoot, type Sources, statRoot } from './sources.js';
import { storeStream } from './stream.js';

const WORKER = new URL('./backup-worker.js', import.meta.url);
/** A file modified less than so many seconds before the parent's start may have changed later: FAT's times have steps of 2 s. */
const RACY_SECONDS = 2;

/**
 * Starts the threads of the coming backup while the repository is being opened.
 *
 * @public The command line imports it dynamically.
 */
export function prewarm(threads = defaultThreads()): void {
  startThreads(WORKER, threads);
}

/** The threads, buffers and uploads of one attempt. */
export class BackupRun {
  readonly #repository: IndexedRepository;
  readonly #options: BackupOptions;
  /** Undefined when the source is a stream. */
  readonly #sources: Sources | undefined;
  readonly #threads: number;
  readonly #flags = new Int32Array(new SharedArrayBuffer(16));
  readonly #buffers: SharedBuffers;
  readonly sink: PackSink;
  readonly #counters: Float64Array[];
  readonly #tallies: TallyHandle[];
  readonly #pool: BackupPool;
  readonly #onAbort = (): void => this.#cancel();
  readonly #treeKeys: TreeKey[] = [];
  readonly #assembly: TreeAssembly;
  readonly #current: readonly CurrentFile[];
  #scan: Scan | undefined;
  #failure: unknown;

  constructor(repository: IndexedRepository, options: BackupOptions) {
    this.#repository = repository;
    this.#options = options;
    this.#sources = 'bytes' in options.sources ? undefined : findSources(options.sources, options.directory);
    this.#threads = options.threads ?? defaultThreads();
    const { packTarget: target = PACK_TARGET, dryRun } = options;
    const onFailure = (cause: unknown): void => this.#fail(cause);
    const { sink, buffers } = openSharedSink(repository, { threads: this.#threads, target, dryRun, onFailure });
    this.sink = sink;
    this.#buffers = buffers;
    // One row for each worker, and one for the main thread.
    this.#counters = createCounters(this.#threads + 1);
    this.#current = Array.from({ length: this.#threads }, () => new CurrentFile());
    this.#tallies = createTallies(this.#threads + 1, this.#sources?.paths ?? []);
    Atomics.store(this.#flags, SharedFlag.threads, this.#threads);
    this.#pool = this.#startPool(target);
    this.#assembly = new TreeAssembly(this.#pool, (...failure) => this.#reportLostFile(...failure));
    options.signal?.addEventListener('abort', this.#onAbort);
    if (options.signal?.aborted === true) this.#cancel();
    options.onStart?.(() => this.#progress());
  }

  #progress(): BackupProgress {
    return {
      counters: sumCounters(this.#counters),
      scanned: this.#scan?.scanned,
      current: this.#current.map((each) => each.get()).filter((path) => path !== undefined),
    };
  }

  get errors(): number {
    return sumCounters(this.#counters).errors;
  }

  /** Stores everything and lists it in the index. */
  async store(): Promise<{ content: ContentRef; paths: readonly Buffer[] }> {
    try {
      const root = await this.#storeSources();
      await this.#flush();
      await this.sink.finish();
      if (this.#options.dryRun !== true) rememberTreeKeys(this.#repository, this.#treeKeys);
      return root;
    } catch (cause) {
      this.#cancel();
      await this.#salvage();
      // An abort makes requests fail too: those errors are reported as the interruption.
      if (this.#failure === undefined || isInterrupted(VarveError.from(this.#failure)))
        throwIfInterrupted(this.#options.signal, cause);
      throw this.#failure ?? cause;
    }
  }

  summary(start: Time, end: Time): SnapshotSummary {
    const sums = sumCounters(this.#counters);
    const files = sums.filesNew + sums.filesChanged + sums.filesUnmodified;
    return {
      backup_start: start,
      backup_end: end,
      files_new: sums.filesNew,
      files_changed: sums.filesChanged,
      files_unmodified: sums.filesUnmodified,
      dirs_new: sums.dirsNew,
      dirs_changed: sums.dirsChanged,
      dirs_unmodified: sums.dirsUnmodified,
      data_blobs: sums.dataBlobs,
      tree_blobs: sums.treeBlobs,
      data_added: sums.dataAdded + sums.treeAdded,
      data_added_packed: sums.dataStored + sums.treeStored,
      total_files_processed: files,
      total_bytes_processed: sums.bytes,
      entries_with_xattrs: sums.withXattrs,
    };
  }

  /** The entries, bytes and errors of each source. */
  sources(paths: readonly Buffer[]): SourceCount[] {
    if (this.#sources !== undefined) return sumSources(this.#tallies);
    const { bytes } = sumCounters(this.#counters);
    return paths.map(() => ({ entries: 1, bytes, errors: 0, unreadable: false }));
  }

  async close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    await Promise.all([this.#pool.close(), this.#scan?.close()]);
  }

  async #storeSources(): Promise<{ content: ContentRef; paths: readonly Buffer[] }> {
    const { sources } = this.#options;
    if ('bytes' in sources) {
      return { content: await storeStream(this.#pool, sources, this.#repository.clock()), paths: [sources.path] };
    }
    const found = this.#sources as Sources;
    this.#reportMissing(found);
    const top = this.#root(found.root);
    const { scan, parent, filter } = this.#options;
    if (scan === true && parent === undefined) this.#scan = new Scan(top, { filter, nestedSources: found.nested });
    const raw = await this.#assembly.directory(top);
    const content = raw && readEntry(raw, '/')?.content;
    if (content === undefined) throw new VarveError('source', 'the root directory could not be read');
    if (content.size === 0)
      throw new VarveError('usage', 'no snapshot was made: the sources are empty, or nothing in them could be stored');
    return { content: { ...content, ids: Buffer.from(content.ids) }, paths: found.paths };
  }

  #reportLostFile(path: Uint8Array, reason: string, bytes: number): void {
    const own = this.#counters[this.#threads] as Float64Array;
    count(own, 'errors');
    count(own, 'bytes', -bytes);
    new SourceTally(this.#tallies[this.#threads] as TallyHandle).fail(Buffer.from(path));
    this.#options.onEvent?.({ kind: 'error', path: Buffer.from(path), message: reason, during: 'archival' });
  }

  #reportMissing(sources: Sources): void {
    for (const { path, reason } of sources.missing) {
      count(this.#counters[this.#threads] as Float64Array, 'errors');
      this.#options.onEvent?.({ kind: 'error', path, message: reason, during: 'scan' });
    }
    if (sources.paths.length === 0)
      throw new VarveError('usage', 'all source paths are missing: there is nothing to back up');
  }

  #root({ path, only, gathered }: SourceRoot): PendingDirectory {
    const { parent } = this.#options;
    const previous = parent && encodeRoot(parent.snapshot.root);
    const stat = statRoot(path);
    const place = { path, name: ROOT_NAME, stat, rootDevice: stat.device, above: path.length, mounted: false };
    return { ...place, previous, only, root: { gathered } };
  }

  /** Has the workers close their frames, and merges their partly filled packs. */
  async #flush(): Promise<void> {
    const replies = await this.#pool.runOnEach({ kind: 'flush' });
    const parts = replies.flatMap((reply) => (reply.kind === 'partialPacks' ? reply.parts : []));
    this.sink.acceptParts(parts.map((part) => ({ ...part, record: recordFromThread(part.record) })));
  }

  /** Keeps what was done for the next backup: after an interruption all that was read, after a failure what was uploaded. */
  async #salvage(): Promise<void> {
    try {
      if (this.#failure === undefined && this.#options.signal?.aborted === true) await this.#flush();
      await this.sink.salvage();
    } catch {
      // The first failure is the one to report.
    }
  }

  #startPool(packTarget: number): BackupPool {
    const { keys, identity, config, index, store } = this.#repository;
    const { filter, compression, parent, ignoreInode = false, ignoreCtime = false, verbose = false } = this.#options;
    const { withAtime = false } = this.#options;
    const fresh = FreshSet.create().handle;
    const parentStart = parent?.snapshot.summary?.backup_start ?? parent?.snapshot.time;
    const rules = {
      ignoreInode,
      // As in restic: where inode numbers change, as with FUSE, change times do too.
      ignoreCtime: ignoreCtime || ignoreInode,
      // Whatever the parent states, it did not begin after now.
      racySince: Math.min(parentStart?.seconds ?? 0, this.#repository.clock() / 1000) - RACY_SECONDS,
      withAtime,
    };
    const knownPackKeys = knownTreeKeys(this.#repository);
    return new WorkerPool(
      WORKER,
      this.#threads,
      (worker) => {
        const fetch = serveSyncCalls(({ pack, offset, length }: FrameRequest) =>
          store.get('data', pack, { offset, length }, { keep: true }),
        );
        const data = {
          keys: exportKeys(keys),
          identity,
          gear: gearOf(this.#repository),
          parity: config.parity,
          data: config.data,
          tree: config.tree,
          compression,
          packTarget,
          index: index.shared,
          fresh,
          buffers: this.#buffers.handle,
          counters: this.#counters[worker] as Float64Array,
          current: (this.#current[worker] as CurrentFile).memory,
          flags: this.#flags,
          fetch,
          knownPackKeys,
          filter,
          nestedSources: this.#sources?.nested ?? [],
          rules,
          tally: this.#tallies[worker] as TallyHandle,
          verbose,
        };
        return { data, transfer: [fetch.port] };
      },
      (note: Note) => this.#receive(note),
      (waiting) => Atomics.store(this.#flags, SharedFlag.waitingTasks, waiting),
    );
  }

  #receive(note: Note): void {
    if (note.kind === 'batch') return this.#assembly.accept(note.number, note.batch);
    if (note.kind === 'pack') return this.sink.accept({ ...note, record: recordFromThread(note.record) });
    if (note.kind === 'treeKey') return void this.#treeKeys.push(note);
    if (note.kind === 'badCopy')
      return this.#repository.badCopies.report(note.pack, new VarveError('damaged', note.message));
    this.#options.onEvent?.({ ...note, path: this.#shownPath(note) });
  }

  /** As in restic: stored items are reported by their path in the snapshot, all else by the path on this machine. */
  #shownPath(note: ItemReport | ErrorReport | ChangeReport): Buffer {
    const path = Buffer.from(note.path);
    const isStored = note.kind === 'item' && note.action !== 'excluded';
    return isStored && this.#sources !== undefined ? pathInSnapshot(this.#sources.root, path) : path;
  }

  #fail(cause: unknown): void {
    this.#failure ??= cause;
    this.#cancel();
  }

  #cancel(): void {
    Atomics.store(this.#flags, SharedFlag.cancelled, 1);
  }
}

const ROOT_NAME = Buffer.from('root');

/** An entry for the root directory, which has none in the snapshot. */
function encodeRoot(content: ContentRef): Uint8Array {
  const out = new MessagePackWriter();
  writeEntry(out, bareDirectory(ROOT_NAME, content));
  return new Uint8Array(out.view());
}
