import type { Buffer } from 'node:buffer';
import { Chunker } from '../chunking/chunker.js';
import { compressionParameters } from '../compression/policy.js';
import { importKeys } from '../crypto/hierarchy.js';
import { type ContentRef, DATA, TREE } from '../format/content.js';
import { ID_BYTES, MAX_DIRECT_CHUNKS } from '../format/limits.js';
import { BlobIndex } from '../repository/blob-index.js';
import { FrameOpener, PackKeyRing, SyncTreeReader } from '../repository/blob-reader.js';
import { BlobWriter } from '../repository/blob-writer.js';
import { FreshSet } from '../repository/fresh-set.js';
import { PackWriter } from '../repository/pack-writer.js';
import { SharedBuffers } from '../workers/shared-buffers.js';
import { SyncCaller } from '../workers/sync-call.js';
import { setCount } from './counters.js';
import type { FrameRequest, Note, RestPart, WorkerInit } from './messages.js';

/** Bytes of blobs in a frame: docs/benchmarks.md has the measurements. */
const DATA_FRAME = 2 * 1024 * 1024;
const TREE_FRAME = 512 * 1024;

/** A worker's way into the repository: writers for data and trees, and a reader for the parent snapshot's trees. */
export interface Storer {
  readonly data: BlobWriter;
  readonly tree: BlobWriter;
  readonly previous: SyncTreeReader;
  /** Whether all blobs of a stream of the parent snapshot may be relied on without storing them. */
  has(content: ContentRef): boolean;
  /** The reference for a file's blobs: directly, or through a list when they are many. */
  reference(size: number, ids: Buffer): ContentRef;
  countStored(): void;
  /** Closes all frames and hands over the packs that are not full. */
  rest(): RestPart[];
}

export function createStorer(init: WorkerInit, note: (note: Note) => void): Storer {
  const keys = importKeys(init.keys);
  const index = new BlobIndex(init.index);
  const fresh = new FreshSet(init.fresh);
  const space = new SharedBuffers(init.buffers);
  const compression = compressionParameters(init.compression);
  const ring = new PackKeyRing(keys, init.knownPackKeys);
  // An append key relies only on trees that it can read again from here: those that this machine wrote.
  const readable = (id: Buffer): boolean =>
    index.has(id) && ring.has(index.frame(index.locateFrame(index.find(id))).wrappedKey);
  const stored = (kind: typeof DATA | typeof TREE): ((id: Buffer) => boolean) =>
    kind === TREE && keys.role === 'append' ? readable : (id) => index.has(id);
  const claim = (kind: typeof DATA | typeof TREE): ((id: Buffer) => boolean) => {
    const isStored = stored(kind);
    return (id) => !isStored(id) && fresh.add(id);
  };
  const pack = (kind: typeof DATA | typeof TREE): PackWriter =>
    new PackWriter({
      keys,
      kind,
      compression,
      target: init.packTarget,
      space,
      emit: (each) => note({ kind: 'pack', ...each }),
      onKey: kind === TREE && keys.role === 'append' ? (each) => note({ kind: 'treeKey', ...each }) : undefined,
    });
  const writer = (kind: typeof DATA | typeof TREE, packs: PackWriter): BlobWriter => {
    const sizes = kind === DATA ? init.data : init.tree;
    const frameTarget = kind === DATA ? DATA_FRAME : TREE_FRAME;
    const chunker = Chunker.create(keys.gear, sizes, BlobWriter.capacity(sizes.max, frameTarget));
    return new BlobWriter({ kind, chunker, idKey: keys.id, deduplicator: { claim: claim(kind) }, packs, frameTarget });
  };
  const dataPacks = pack(DATA);
  const treePacks = pack(TREE);
  const data = writer(DATA, dataPacks);
  const tree = writer(TREE, treePacks);
  const caller = new SyncCaller<FrameRequest>(init.fetch);
  const opener = new FrameOpener(index, keys, ring);
  const previous = new SyncTreeReader(opener, (packName, offset, length) =>
    caller.call({ pack: packName, offset, length }),
  );
  return {
    data,
    tree,
    previous,
    has: (content) => hasAll(index, content.ids) && (content.depth === 0 || hasAll(index, previous.ids(content))),
    reference: (size, ids) => referTo(tree, size, ids),
    countStored() {
      setCount(init.counters, 'dataBlobs', data.stored.blobs);
      setCount(init.counters, 'dataAdded', data.stored.rawBytes);
      setCount(init.counters, 'dataStored', data.stored.storedBytes);
      setCount(init.counters, 'treeBlobs', tree.stored.blobs);
      setCount(init.counters, 'treeAdded', tree.stored.rawBytes);
      setCount(init.counters, 'treeStored', tree.stored.storedBytes);
    },
    rest() {
      data.flush();
      tree.flush();
      return [dataPacks.takeRest(), treePacks.takeRest()].filter((part) => part !== undefined);
    },
  };
}

function hasAll(index: BlobIndex, ids: Buffer): boolean {
  for (let at = 0; at < ids.length; at += ID_BYTES) if (!index.has(ids, at)) return false;
  return true;
}

function referTo(tree: BlobWriter, size: number, ids: Buffer): ContentRef {
  if (ids.length <= MAX_DIRECT_CHUNKS * ID_BYTES) return { size, depth: 0, ids };
  tree.begin();
  tree.write(ids);
  return { size, depth: 1, ids: tree.end().ids };
}
