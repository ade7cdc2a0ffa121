import { compressionParameters } from '../compression/policy.js';
import { VarveError } from '../errors/errors.js';
import { type BlobKind, DATA, TREE } from '../format/content.js';
import type { IndexedPack } from '../format/index-object.js';
import { ID_BYTES } from '../format/limits.js';
import { framesOf, type PackRecord, type RecordFrame } from '../format/pack-record.js';
import type { BlobIndex, LocatedFrame } from '../repository/blob-index.js';
import { FrameOpener, PackKeyRing } from '../repository/blob-reader.js';
import { type IndexedRepository, indexedPack } from '../repository/index-store.js';
import { readPackRecord } from '../repository/orphans.js';
import { PackBuffers } from '../repository/pack-buffers.js';
import { type FinishedPack, PackWriter, packCapacity } from '../repository/pack-writer.js';
import { fetchObject } from '../repository/repository.js';
import { type Needed, opensFrames, type PackUse } from './plan.js';
import { Refill } from './refill.js';

/**
 * Copies what is needed of old packs into new ones. Frames of which all is needed are copied as they are: sealed, with their wrapped keys (SPEC.md
 * section 9). Others are opened, where the key can, and what is needed of them fills new frames. An old pack is read whole, and its hash checked, so that
 * damage is never copied.
 */
export class Repacker {
  readonly #repository: IndexedRepository;
  readonly #needed: Needed;
  readonly #opener: FrameOpener;
  readonly #buffers: PackBuffers;
  readonly #writers: Readonly<Record<BlobKind, Writer>>;
  readonly #stores = new Set<Promise<void>>();
  #failure: { readonly cause: unknown } | undefined;
  /** The packs that were written, in the store but in no index object yet. */
  readonly written: IndexedPack[] = [];

  /** @param target bytes at which a pack is closed */
  constructor(repository: IndexedRepository, needed: Needed, target: number) {
    const { keys, index, config } = repository;
    this.#repository = repository;
    this.#needed = needed;
    this.#opener = new FrameOpener(index, keys, new PackKeyRing(keys));
    this.#buffers = new PackBuffers(packCapacity(target, Math.max(config.data.max, config.tree.max)));
    const writer = (kind: BlobKind): Writer => {
      const packs = new PackWriter({
        keys,
        kind,
        compression: compressionParameters('auto'),
        target,
        space: this.#buffers,
        emit: (pack) => this.#store(pack),
      });
      return { packs, refill: new Refill(kind, packs), opens: opensFrames(keys, kind) };
    };
    this.#writers = { [DATA]: writer(DATA), [TREE]: writer(TREE) };
  }

  /** @throws VarveError `damaged` when the pack is not what its name says, or not what the index says; what of it was copied is then stored twice */
  async copy(use: PackUse): Promise<void> {
    const bytes = await fetchObject(this.#repository.store, 'data', use.name);
    const record = await readPackRecord(this.#repository, use.name, bytes.length);
    const frames = this.#listed(use, record);
    const { packs, refill, opens } = this.#writers[use.kind];
    for (const [number, frame] of [...framesOf(record)].entries()) {
      const listed = frames[number] as LocatedFrame;
      const needed = countNeeded(listed, this.#needed);
      if (needed === 0) continue;
      const stored = bytes.subarray(frame.offset, frame.offset + frame.storedLength);
      if (needed === frame.blobs || !opens) packs.addSealed(record, frame, stored);
      else
        refill.add(record, frame, this.#opener.open(listed, stored), (blob) =>
          this.#needed.has(listed.firstBlob + blob - frame.firstBlob),
        );
    }
    await this.#room();
  }

  /** Stores what is not full yet, and waits until all is stored. */
  async finish(): Promise<void> {
    for (const { packs, refill } of Object.values(this.#writers)) {
      refill.flush();
      packs.finish();
    }
    await Promise.all(this.#stores);
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  /** The frames as the index has them. */
  #listed({ number, name }: PackUse, record: PackRecord): LocatedFrame[] {
    const { index } = this.#repository;
    const { first, end } = index.framesOf(number);
    const listed = Array.from({ length: end - first }, (_, at) => index.frame(first + at));
    const frames = [...framesOf(record)];
    const same = (each: LocatedFrame, at: number): boolean => isSame(index, each, record, frames[at] as RecordFrame);
    if (frames.length === listed.length && listed.every(same)) return listed;
    throw new VarveError('damaged', `data/${name}: its directory is not what the index says; run \`varve check\``);
  }

  #store(pack: FinishedPack): void {
    const { store } = this.#repository;
    const bytes = this.#buffers.bytes(pack.buffer).subarray(0, pack.size);
    const stored = store
      .put('data', pack.name, [bytes], { keep: pack.record.kind === TREE })
      .then(() => void this.written.push(indexedPack(pack.name, pack.size, pack.record)))
      .catch((cause) => {
        this.#failure ??= { cause };
      })
      .finally(() => {
        this.#buffers.release(pack.buffer);
        this.#stores.delete(stored);
      });
    this.#stores.add(stored);
  }

  /** Waits while too much is on its way to the store. */
  async #room(): Promise<void> {
    while (this.#stores.size > MOST_ON_THE_WAY) await Promise.race(this.#stores);
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}

/** Packs that are being stored while the next is put together. */
const MOST_ON_THE_WAY = 1;

interface Writer {
  readonly packs: PackWriter;
  readonly refill: Refill;
  /** Whether the key opens frames of this kind. */
  readonly opens: boolean;
}

function isSame(index: BlobIndex, listed: LocatedFrame, record: PackRecord, frame: RecordFrame): boolean {
  const { offset, storedLength, blobs, firstBlob } = listed;
  if (offset !== frame.offset || storedLength !== frame.storedLength || blobs !== frame.blobs) return false;
  for (let at = 0; at < blobs; at++) {
    const id = record.ids.subarray((frame.firstBlob + at) * ID_BYTES, (frame.firstBlob + at + 1) * ID_BYTES);
    if (!index.isNamed(firstBlob + at, id)) return false;
  }
  return true;
}

function countNeeded({ firstBlob, blobs }: LocatedFrame, needed: Needed): number {
  let count = 0;
  for (let blob = firstBlob; blob < firstBlob + blobs; blob++) if (needed.has(blob)) count++;
  return count;
}
