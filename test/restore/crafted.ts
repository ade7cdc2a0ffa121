import { Buffer } from 'node:buffer';
import { asBuffer } from '../../src/bytes/views.js';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { Chunker } from '../../src/chunking/chunker.js';
import { compressionParameters } from '../../src/compression/policy.js';
import { blobId } from '../../src/crypto/blob-id.js';
import { newPackKey, sealFrameInto } from '../../src/crypto/pack-key.js';
import { type Attachment, MAX_INLINE } from '../../src/format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../src/format/content.js';
import { bareDirectory, type Entry, writeEntry } from '../../src/format/entry.js';
import type { IndexedPack } from '../../src/format/index-object.js';
import { type Codec, PackRecordBuilder } from '../../src/format/pack-record.js';
import { indexedPack, writeIndex } from '../../src/repository/index/index-store.js';
import { originOf } from '../../src/repository/index/trust.js';
import { BlobWriter } from '../../src/repository/packs/blob-writer.js';
import { PackWriter, packCapacity, sealPack } from '../../src/repository/packs/pack-writer.js';
import type { Repository } from '../../src/repository/repository.js';

const TARGET = 1 << 20;
const FRAME = 1 << 18;

/** A frame of a pack, true or not. */
export interface ForgedFrame {
  readonly body: Uint8Array;
  readonly codec: Codec;
  readonly rawLength: number;
  readonly ids: readonly Buffer[];
  readonly lengths: readonly number[];
}

/** Writes trees by hand, as somebody might who has a key and no good in mind. */
export class Forge {
  readonly #repository: Repository;
  readonly #stored: Promise<void>[] = [];
  readonly #packs: ReturnType<typeof indexedPack>[] = [];
  readonly #writers: Record<BlobKind, { blobs: BlobWriter; packs: PackWriter }>;

  constructor(repository: Repository) {
    this.#repository = repository;
    this.#writers = { [DATA]: this.#writer(DATA), [TREE]: this.#writer(TREE) };
  }

  /** Bytes. */
  get largestTreeBlob(): number {
    return this.#repository.config.tree.max;
  }

  #writer(kind: BlobKind): { blobs: BlobWriter; packs: PackWriter } {
    const repository = this.#repository;
    const { keys, config, store } = repository;
    const buffers: Uint8Array[] = [];
    const pool = {
      acquire: () => buffers.push(new Uint8Array(packCapacity(TARGET, 1 << 20, 0))) - 1,
      bytes: (number: number) => buffers[number] as Uint8Array,
    };
    const packs = new PackWriter({
      signer: repository,
      kind,
      compression: compressionParameters('auto'),
      target: TARGET,
      parity: 0,
      buffers: pool,
      emit: ({ buffer, name, size, record }) => {
        this.#stored.push(store.put('data', name, [Buffer.from(pool.bytes(buffer).subarray(0, size))]));
        this.#packs.push(indexedPack(name, size, record, originOf(repository)));
      },
    });
    const sizes = kind === DATA ? config.data : config.tree;
    const chunker = Chunker.create(keys.gear, sizes, BlobWriter.capacity(sizes.max, FRAME));
    const seen = new Set<string>();
    const claim = (id: Buffer): boolean => seen.size !== seen.add(id.toString('hex')).size;
    const blobs = new BlobWriter({ kind, chunker, idKey: keys.id, deduplicator: { claim }, packs, frameTarget: FRAME });
    return { blobs, packs };
  }

  content(bytes: Uint8Array, kind: BlobKind = DATA): ContentRef {
    const { blobs } = this.#writers[kind];
    blobs.begin();
    blobs.write(bytes);
    return blobs.end();
  }

  /** An attachment, where the format wants it: in the entry, or as a stream. */
  attachment(bytes: Buffer): Attachment {
    return bytes.length > MAX_INLINE ? this.content(bytes, TREE) : bytes;
  }

  /** The id that bytes have, wherever they are. */
  id(bytes: Uint8Array, kind: BlobKind): Buffer {
    return asBuffer(blobId(this.#repository.keys.id, kind, bytes));
  }

  /**
   * A pack of these frames.
   *
   * @param listed what the index says of it
   */
  pack(kind: BlobKind, frames: readonly ForgedFrame[], listed = (pack: IndexedPack): IndexedPack => pack): void {
    const { keys, store } = this.#repository;
    const { key, wrapped } = newPackKey(keys, kind);
    const buffer = new Uint8Array(packCapacity(TARGET, 1 << 20, 0));
    const builder = new PackRecordBuilder(kind);
    let length = 0;
    for (const [counter, { body, codec, rawLength, ids, lengths }] of frames.entries()) {
      const storedLength = sealFrameInto(buffer, length, key, counter, codec, rawLength, body);
      builder.addFrame(
        { offset: length, storedLength, rawLength, wrappedKey: asBuffer(wrapped), codec, counter },
        Buffer.concat(ids),
        lengths,
      );
      length += storedLength;
    }
    const { name, size, record } = sealPack(
      this.#repository,
      { buffer: 0, length, record: builder.build() },
      buffer,
      0,
    );
    this.#stored.push(store.put('data', name, [Buffer.from(buffer.subarray(0, size))]));
    this.#packs.push(listed(indexedPack(name, size, record, originOf(this.#repository))));
  }

  /** A directory of these entries, in this order, whatever they are. */
  directory(...entries: readonly Partial<Entry>[]): ContentRef {
    return this.content(this.encoded(...entries), TREE);
  }

  encoded(...entries: readonly Partial<Entry>[]): Buffer {
    const out = new MessagePackWriter();
    for (const each of entries) writeEntry(out, entry(each));
    return Buffer.from(out.view());
  }

  /** Stores all of it. */
  async finish(): Promise<void> {
    for (const { blobs, packs } of Object.values(this.#writers)) {
      blobs.flush();
      packs.finish();
    }
    await Promise.all(this.#stored);
    await writeIndex(this.#repository, this.#packs);
  }
}

const NOTHING = { size: 0, depth: 0, ids: Buffer.alloc(0) } as const;

function entry(given: Partial<Entry>): Entry {
  const type = given.type ?? (given.target === undefined ? 'file' : 'symlink');
  return {
    ...bareDirectory(Buffer.from('name'), NOTHING),
    type,
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    mtimeSeconds: 1_000_000_000,
    ctimeSeconds: 1_000_000_000,
    size: type === 'directory' ? 0 : (given.content?.size ?? given.target?.length ?? 0),
    content: undefined,
    ...given,
  };
}
