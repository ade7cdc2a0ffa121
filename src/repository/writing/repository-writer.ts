import type { Buffer } from 'node:buffer';
import { Chunker } from '../../chunking/chunker.js';
import { type Compression, compressionParameters } from '../../compression/policy.js';
import { blobId } from '../../crypto/blob-id.js';
import { VarveError } from '../../errors/errors.js';
import { type Attachment, MAX_INLINE } from '../../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../format/content.js';
import { ID_BYTES, MAX_DIRECT_CHUNKS } from '../../format/limits.js';
import type { Snapshot } from '../../format/snapshot.js';
import type { IndexedRepository } from '../index/index-store.js';
import type { Deduplicator } from '../packs/blob-writer.js';
import { FrameFiller } from '../packs/frame-filler.js';
import { PackBuffers } from '../packs/pack-buffers.js';
import { type FinishedPack, PACK_TARGET, PackWriter, packCapacity } from '../packs/pack-writer.js';
import { PackKeyRing } from '../reading/blob-reader.js';
import { gearOf } from '../repository.js';
import { knownTreeKeys, rememberTreeKeys, type TreeKey } from '../tree-keys.js';
import { commitSnapshot } from './commit.js';
import { deduplicatorOf } from './deduplicator.js';
import { FreshSet } from './fresh-set.js';
import { TreeStream, WINDOW } from './tree-stream.js';
import { PackUploader } from './uploader.js';

/** Packs that may be under way to the store, beside one of each kind that is being filled. */
const UNDER_WAY = 2;

export interface WriterOptions {
  readonly compression: Compression;
  readonly packTarget?: number | undefined;
  /** Bytes of the largest blob that will come, where that may be more than this repository's chunkers cut. */
  readonly largestBlob?: number;
  /** Stores nothing. */
  readonly dryRun?: boolean;
}

/** Stores blobs and tree streams from one thread: each that the repository has not got, once. */
export class RepositoryWriter {
  readonly repository: IndexedRepository;
  readonly #dryRun: boolean;
  readonly #buffers: PackBuffers;
  readonly #uploader: PackUploader;
  readonly #chunker: Chunker;
  readonly #claims: Readonly<Record<BlobKind, Deduplicator>>;
  readonly #packs: Readonly<Record<BlobKind, PackWriter>>;
  readonly #frames: Readonly<Record<BlobKind, FrameFiller>>;
  #treeKeys: TreeKey[] = [];
  #failure: { readonly cause: unknown } | undefined;

  constructor(repository: IndexedRepository, options: WriterOptions) {
    const { keys, index, config } = repository;
    this.repository = repository;
    this.#dryRun = options.dryRun === true;
    const target = options.packTarget ?? PACK_TARGET;
    const largest = Math.max(config.data.max, config.tree.max, options.largestBlob ?? 0);
    this.#buffers = new PackBuffers(packCapacity(target, largest, config.parity));
    this.#uploader = new PackUploader(repository, this.#buffers, (cause) => this.#fail(cause));
    this.#chunker = Chunker.create(gearOf(repository), config.tree, WINDOW * config.tree.max);
    const ring = new PackKeyRing(keys, knownTreeKeys(repository));
    const [fresh, compression] = [FreshSet.create(), compressionParameters(options.compression)];
    const claims = (kind: BlobKind): Deduplicator => deduplicatorOf(kind, { keys, index, ring, fresh });
    const space = this.#buffers;
    const onKey = keys.role === 'append' ? (key: TreeKey) => this.#treeKeys.push(key) : undefined;
    const emit = (pack: FinishedPack): void => this.#accept(pack);
    const packs = (kind: BlobKind): PackWriter =>
      new PackWriter({
        keys,
        kind,
        compression,
        target,
        parity: config.parity,
        space,
        emit,
        onKey: kind === TREE ? onKey : undefined,
      });
    this.#claims = { [DATA]: claims(DATA), [TREE]: claims(TREE) };
    this.#packs = { [DATA]: packs(DATA), [TREE]: packs(TREE) };
    this.#frames = {
      [DATA]: new FrameFiller(DATA, this.#packs[DATA]),
      [TREE]: new FrameFiller(TREE, this.#packs[TREE]),
    };
  }

  /** What was stored until now, in blobs and bytes. */
  get stored(): Readonly<Record<BlobKind, FrameFiller['stored']>> {
    return { [DATA]: this.#frames[DATA].stored, [TREE]: this.#frames[TREE].stored };
  }

  /** Stores a blob, unless it is there. @returns its id */
  put(kind: BlobKind, blob: Uint8Array): Buffer {
    const id = blobId(this.repository.keys.id, kind, blob);
    if (this.#claims[kind].claim(id)) this.#frames[kind].add(id, blob);
    return id;
  }

  /** Begins a stream of kind tree. Several may be open. */
  stream(): TreeStream {
    return new TreeStream(this.#chunker, (blob) => this.put(TREE, blob));
  }

  /** The reference to a stream's blobs: through a list when they are many. */
  reference({ size, ids }: Pick<ContentRef, 'size' | 'ids'>): ContentRef {
    if (ids.length <= MAX_DIRECT_CHUNKS * ID_BYTES) return { size, depth: 0, ids };
    return { size, depth: 1, ids: this.#whole(ids).ids };
  }

  /** What an entry gets for bytes that may be many. */
  attach(bytes: Buffer): Attachment {
    return bytes.length <= MAX_INLINE ? bytes : this.reference(this.#whole(bytes));
  }

  #whole(bytes: Uint8Array): ContentRef {
    const stream = this.stream();
    stream.write(bytes);
    return stream.end();
  }

  /**
   * To be called between what is stored: waits while too much is under way.
   *
   * @throws what kept a pack from being stored
   */
  async settle(): Promise<void> {
    await this.#buffers.atMost(2 + UNDER_WAY);
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  /** Makes all that was given durable, then lists it in the index; more may come afterwards. */
  async #finish(): Promise<void> {
    this.#closePacks();
    await this.#uploader.finish();
    if (!this.#dryRun) rememberTreeKeys(this.repository, this.#treeKeys);
    this.#treeKeys = [];
  }

  /** After a failure or a Ctrl-C: lists what can be, so that it need not be stored again. Fails silently: there is another failure to be told. */
  async salvage(): Promise<void> {
    try {
      if (this.#failure === undefined) this.#closePacks();
      await this.#uploader.salvage();
    } catch {
      // The first failure is the one to be told.
    }
  }

  /** Writes a snapshot of what was put or relied on since this was made, and of nothing else. @returns as `commitSnapshot` */
  async commit(snapshot: Snapshot): Promise<string | undefined> {
    await this.#finish();
    return commitSnapshot(this.repository, this.#uploader.stored, snapshot);
  }

  #closePacks(): void {
    for (const kind of [DATA, TREE] as const) {
      this.#frames[kind].flush();
      this.#packs[kind].finish();
    }
  }

  #accept(pack: FinishedPack): void {
    if (this.#dryRun) this.#buffers.release(pack.buffer);
    else this.#uploader.accept(pack);
  }

  #fail(cause: unknown): void {
    this.#failure ??= { cause: VarveError.from(cause) };
    this.#buffers.abort();
  }
}
