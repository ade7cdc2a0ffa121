// The storing half of a worker: deduplicates, fills frames and packs, and hands full packs to the main thread.
// Walking directories and reading files are the walker's; uploads are the main thread's.
import type { Buffer } from 'node:buffer';
import { Chunker } from '../chunking/chunker.js';
import { compressionParameters } from '../compression/policy.js';
import { importKeys } from '../crypto/hierarchy.js';
import { VarveError } from '../errors/errors.js';
import type { Attachment } from '../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';
import { BlobIndex } from '../repository/index/blob-index.js';
import { BlobWriter, FRAME_TARGET, type Stored } from '../repository/packs/blob-writer.js';
import { packWriters } from '../repository/packs/pack-writer.js';
import { FrameOpener, PackKeyRing, SyncTreeReader } from '../repository/reading/blob-reader.js';
import { deduplicatorOf } from '../repository/writing/deduplicator.js';
import { FreshSet } from '../repository/writing/fresh-set.js';
import { attach, referTo } from '../repository/writing/reference-writer.js';
import { SharedBuffers } from '../workers/shared-buffers.js';
import { SyncCaller } from '../workers/sync-call.js';
import { setCount } from './counters.js';
import { type FrameRequest, type Note, type PartialPack, SharedFlag, type WorkerInit } from './messages.js';

const NOTHING_STORED: Stored = { blobs: 0, rawBytes: 0, storedBytes: 0 };

// A worker's access to the repository: writers for data and trees, and a reader of the parent snapshot's trees.
// file-storer.ts reads files, entry-storer.ts makes their entries.
export interface Storer {
  readonly data: BlobWriter;
  readonly tree: BlobWriter;
  readonly previous: SyncTreeReader;
  /** Whether the repository has all blobs of a content of the parent snapshot, so that the new snapshot may rely on them. */
  has(content: ContentRef): boolean;
  /** Makes a content reference from the ids of blobs; stores a list of them when they are many. */
  reference(size: number, ids: Buffer): ContentRef;
  /** Puts bytes inline or, when they are many, in a blob. @throws VarveError `source` when they are too many */
  attach(bytes: Buffer): Attachment;
  countStored(): void;
  /** @throws VarveError `interrupted` once the backup is cancelled */
  stopIfCancelled(): void;
  /** Closes all frames and returns the packs that are not full. */
  takePartialPacks(): PartialPack[];
}

export function createStorer(init: WorkerInit, note: (note: Note) => void): Storer {
  const keys = importKeys(init.keys);
  const index = new BlobIndex(init.index);
  const fresh = new FreshSet(init.fresh);
  const buffers = new SharedBuffers(init.buffers);
  const compression = compressionParameters(init.compression);
  const ring = new PackKeyRing(keys, init.knownPackKeys);
  const packs = packWriters({
    signer: { keys, identity: init.identity },
    compression,
    target: init.packTarget,
    parity: init.parity,
    buffers,
    emit: (pack) => note({ kind: 'pack', ...pack }),
    onTreeKey: (key) => note({ kind: 'treeKey', ...key }),
  });
  const writer = (kind: BlobKind): BlobWriter => {
    const sizes = kind === DATA ? init.data : init.tree;
    const frameTarget = FRAME_TARGET[kind];
    const chunker = Chunker.create(init.gear, sizes, BlobWriter.capacity(sizes.max, frameTarget));
    const deduplicator = deduplicatorOf(kind, { keys, index, ring, fresh });
    return new BlobWriter({ kind, chunker, idKey: keys.id, deduplicator, packs: packs[kind], frameTarget });
  };
  // Made on first use: a backup in which little has changed may need neither.
  let data: BlobWriter | undefined;
  let tree: BlobWriter | undefined;
  const caller = new SyncCaller<FrameRequest>(init.fetch);
  const opener = new FrameOpener(index, keys, ring);
  const previous = new SyncTreeReader(
    opener,
    (packName, offset, length) => caller.call({ pack: packName, offset, length }),
    { report: (pack, { message }) => note({ kind: 'badCopy', pack, message }) },
  );
  const storeTree = (bytes: Uint8Array): ContentRef => {
    tree ??= writer(TREE);
    tree.begin();
    tree.write(bytes);
    return tree.end();
  };
  return {
    get data() {
      data ??= writer(DATA);
      return data;
    },
    get tree() {
      tree ??= writer(TREE);
      return tree;
    },
    previous,
    has(content) {
      if (!hasAll(index, content.ids)) return false;
      if (content.depth === 0) return true;
      for (const ids of previous.lists(content)) if (!hasAll(index, ids)) return false;
      return true;
    },
    reference(size, ids) {
      return referTo({ size, ids }, storeTree);
    },
    attach(bytes) {
      return attach(bytes, storeTree);
    },
    countStored() {
      const [files, trees] = [data?.stored ?? NOTHING_STORED, tree?.stored ?? NOTHING_STORED];
      setCount(init.counters, 'dataBlobs', files.blobs);
      setCount(init.counters, 'dataAdded', files.rawBytes);
      setCount(init.counters, 'dataStored', files.storedBytes);
      setCount(init.counters, 'treeBlobs', trees.blobs);
      setCount(init.counters, 'treeAdded', trees.rawBytes);
      setCount(init.counters, 'treeStored', trees.storedBytes);
    },
    stopIfCancelled() {
      if (Atomics.load(init.flags, SharedFlag.cancelled) !== 0) throw new VarveError('interrupted', 'interrupted');
    },
    takePartialPacks() {
      data?.flush();
      tree?.flush();
      return [packs[DATA].takePart(), packs[TREE].takePart()].filter((part) => part !== undefined);
    },
  };
}

function hasAll(index: BlobIndex, ids: Buffer): boolean {
  for (let at = 0; at < ids.length; at += ID_BYTES) if (!index.has(ids, at)) return false;
  return true;
}
