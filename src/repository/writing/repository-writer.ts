// Stores blobs, streams and snapshots from one thread, for all commands but backup.
// The order of packs, index and snapshot is left to commit.ts.
import type { Buffer } from 'node:buffer';
import { Chunker } from '../../chunking/chunker.js';
import { type Compression, compressionParameters } from '../../compression/policy.js';
import { blobId } from '../../crypto/blob-id.js';
import type { Attachment } from '../../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../format/content.js';
import type { Snapshot } from '../../format/snapshot.js';
import type { IndexedRepository } from '../index/index-store.js';
import type { Deduplicator } from '../packs/blob-writer.js';
import { FrameFiller } from '../packs/frame-filler.js';
import type { PackWriters } from '../packs/pack-writer.js';
import { PackKeyRing } from '../reading/blob-reader.js';
import { gearOf } from '../repository.js';
import { knownTreeKeys, rememberTreeKeys, type TreeKey } from '../tree-keys.js';
import { commitSnapshot } from './commit.js';
import { deduplicatorOf } from './deduplicator.js';
import { FreshSet } from './fresh-set.js';
import { openSink, type PackSink } from './pack-sink.js';
import { attach, referTo } from './reference-writer.js';
import { TreeStream, WINDOW } from './tree-stream.js';

/** Packs that may be on their way to the store, while one of each kind is filled. */
const UNDER_WAY = 2;

export interface WriterOptions {
  readonly compression: Compression;
  readonly packTarget?: number | undefined;
  /** Bytes of the largest blob to be put, where that may be more than a chunk of this repository. */
  readonly largestBlob?: number;
  /** Stores nothing. */
  readonly dryRun?: boolean;
}

/** Stores each blob once that the repository lacks. */
export class RepositoryWriter {
  readonly repository: IndexedRepository;
  readonly #dryRun: boolean;
  readonly #sink: PackSink;
  readonly #chunker: Chunker;
  readonly #deduplicators: Readonly<Record<BlobKind, Deduplicator>>;
  readonly #packs: PackWriters;
  readonly #frames: Readonly<Record<BlobKind, FrameFiller>>;
  #treeKeys: TreeKey[] = [];

  constructor(repository: IndexedRepository, options: WriterOptions) {
    const { keys, index, config } = repository;
    const { packTarget: target, largestBlob: largest, dryRun } = options;
    this.repository = repository;
    this.#dryRun = dryRun === true;
    const compression = compressionParameters(options.compression);
    const onTreeKey = (key: TreeKey): unknown => this.#treeKeys.push(key);
    const { sink, packs } = openSink(repository, { target, largest, dryRun, compression, onTreeKey });
    this.#sink = sink;
    this.#packs = packs;
    this.#frames = { [DATA]: new FrameFiller(DATA, packs[DATA]), [TREE]: new FrameFiller(TREE, packs[TREE]) };
    this.#chunker = Chunker.create(gearOf(repository), config.tree, WINDOW * config.tree.max);
    const stored = { keys, index, ring: new PackKeyRing(keys, knownTreeKeys(repository)), fresh: FreshSet.create() };
    this.#deduplicators = { [DATA]: deduplicatorOf(DATA, stored), [TREE]: deduplicatorOf(TREE, stored) };
  }

  /** Counts of what was stored so far. */
  get stored(): Readonly<Record<BlobKind, FrameFiller['stored']>> {
    return { [DATA]: this.#frames[DATA].stored, [TREE]: this.#frames[TREE].stored };
  }

  /** Stores a blob, unless the repository has it. @returns its id */
  put(kind: BlobKind, blob: Uint8Array): Buffer {
    const id = blobId(this.repository.keys.id, kind, blob);
    if (this.#deduplicators[kind].claim(id)) this.#frames[kind].add(id, blob);
    return id;
  }

  /** Begins a stream of kind tree. Several may be open at a time. */
  stream(): TreeStream {
    return new TreeStream(this.#chunker, (blob) => this.put(TREE, blob));
  }

  /** The reference to a stream's blobs: through a list when they are many. */
  reference({ size, ids }: Pick<ContentRef, 'size' | 'ids'>): ContentRef {
    return referTo({ size, ids }, this.#storeTree);
  }

  /** Puts few bytes into an entry itself, and stores many. */
  attach(bytes: Buffer): Attachment {
    return attach(bytes, this.#storeTree);
  }

  readonly #storeTree = (bytes: Uint8Array): ContentRef => {
    const stream = this.stream();
    stream.write(bytes);
    return stream.end();
  };

  /**
   * Waits while too many packs are on their way to the store. To be called between the entries that are stored.
   *
   * @throws the first failure to store a pack
   */
  settle(): Promise<void> {
    return this.#sink.settle(UNDER_WAY);
  }

  /** Makes everything durable that was put, then lists it in the index. More may be put afterwards. */
  async #finish(): Promise<void> {
    this.#closePacks();
    await this.#sink.finish();
    if (!this.#dryRun) rememberTreeKeys(this.repository, this.#treeKeys);
    this.#treeKeys = [];
  }

  /** Lists what was stored, after a failure or an interruption, so that the next run need not store it again. Throws nothing. */
  async salvage(): Promise<void> {
    try {
      if (!this.#sink.failed) this.#closePacks();
      await this.#sink.salvage();
    } catch {
      // The caller reports the first failure.
    }
  }

  /** Writes a snapshot of blobs that were put or relied on with this writer. @returns as `commitSnapshot` */
  async commit(snapshot: Snapshot): Promise<string | undefined> {
    await this.#finish();
    return commitSnapshot(this.repository, this.#sink, snapshot);
  }

  #closePacks(): void {
    for (const kind of [DATA, TREE] as const) {
      this.#frames[kind].flush();
      this.#packs[kind].finish();
    }
  }
}
