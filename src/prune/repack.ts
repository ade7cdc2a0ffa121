import { Buffer } from 'node:buffer';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import type { BlobKind } from '../format/content.js';
import { TREE } from '../format/content.js';
import type { IndexedPack } from '../format/index-object.js';
import { ID_BYTES } from '../format/limits.js';
import { type Frame, frameAt, frameCount, type PackRecord, PackRecordBuilder } from '../format/pack-record.js';
import { type IndexedRepository, indexedPack } from '../repository/index-store.js';
import { readPackRecord } from '../repository/orphans.js';
import { MAX_BLOBS, MAX_FRAMES, packCapacity, sealPack } from '../repository/pack-writer.js';
import { fetchObject } from '../repository/repository.js';
import type { Needed, PackUse } from './plan.js';

/** Room that the directory, the footer and the padding may need beyond the frames, as a part of them. */
const RESERVE = 1.04;

/**
 * Copies the frames that are needed from old packs into new ones, as they are: sealed, with their wrapped keys (SPEC.md section 9). An old pack is read
 * whole, and its hash checked, so that damage is never copied.
 */
export class Repacker {
  readonly #repository: IndexedRepository;
  readonly #needed: Needed;
  readonly #target: number;
  readonly #open = new Map<BlobKind, OpenPack>();
  /** The packs that were written, in the store but in no index object yet. */
  readonly written: IndexedPack[] = [];

  /** @param target bytes at which a pack is closed */
  constructor(repository: IndexedRepository, needed: Needed, target: number) {
    this.#repository = repository;
    this.#needed = needed;
    this.#target = target;
  }

  /** @throws VarveError `damaged` when the pack is not what its name says, or not what the index says */
  async copy(use: PackUse): Promise<void> {
    const { store, index } = this.#repository;
    const bytes = await fetchObject(store, 'data', use.name);
    const record = await readPackRecord(this.#repository, use.name, bytes.length);
    const { first, end } = index.framesOf(use.number);
    const differs = (): VarveError =>
      new VarveError('damaged', `data/${use.name}: its directory is not what the index says; run \`varve check\``);
    if (frameCount(record) !== end - first) throw differs();
    let blob = 0;
    for (let number = 0; number < frameCount(record); number++) {
      const frame = frameAt(record, number);
      const listed = index.frame(first + number);
      if (listed.offset !== frame.offset || listed.storedLength !== frame.storedLength || listed.blobs !== frame.blobs)
        throw differs();
      if (this.#isNeeded(listed)) await this.#add(record, frame, blob, bytes);
      blob += frame.blobs;
    }
  }

  /** Stores what is not full yet. */
  async finish(): Promise<void> {
    for (const pack of this.#open.values()) await this.#store(pack);
    this.#open.clear();
  }

  #isNeeded({ firstBlob, blobs }: { readonly firstBlob: number; readonly blobs: number }): boolean {
    for (let blob = firstBlob; blob < firstBlob + blobs; blob++) if (this.#needed.has(blob)) return true;
    return false;
  }

  async #add(record: PackRecord, frame: Frame, firstBlob: number, bytes: Buffer): Promise<void> {
    let pack = this.#open.get(record.kind);
    if (pack !== undefined && !pack.fits(frame)) {
      await this.#store(pack);
      pack = undefined;
    }
    if (pack === undefined) {
      pack = new OpenPack(record.kind, packCapacity(this.#target, this.#repository.config.data.max));
      this.#open.set(record.kind, pack);
    }
    pack.add(record, frame, firstBlob, bytes);
    if (pack.length >= this.#target) {
      await this.#store(pack);
      this.#open.delete(record.kind);
    }
  }

  async #store(pack: OpenPack): Promise<void> {
    const { store, keys } = this.#repository;
    const sealed = sealPack(keys, { buffer: 0, length: pack.length, record: pack.record() }, pack.bytes);
    await store.put('data', sealed.name, [pack.bytes.subarray(0, sealed.size)], { keep: pack.kind === TREE });
    this.written.push(indexedPack(sealed.name, sealed.size, sealed.record));
  }
}

/** A pack that is being put together. */
class OpenPack {
  readonly kind: BlobKind;
  readonly bytes: Buffer;
  length = 0;
  readonly #keys: Buffer[] = [];
  /** Numbers of the wrapped keys, by their bytes. */
  readonly #keyNumbers = new Map<string, number>();
  readonly #frames: PackRecordBuilder;

  constructor(kind: BlobKind, capacity: number) {
    this.kind = kind;
    this.bytes = Buffer.allocUnsafeSlow(capacity);
    this.#frames = new PackRecordBuilder(kind, []);
  }

  fits({ storedLength, blobs }: Frame): boolean {
    const frames = this.#frames;
    if (frames.frames >= MAX_FRAMES || (frames.blobs > 0 && frames.blobs + blobs > MAX_BLOBS)) return false;
    const directory = frames.encodedLength + this.#keys.length * 86 + blobs * (ID_BYTES + 4) + 1024;
    return (this.length + storedLength + directory) * RESERVE <= this.bytes.length;
  }

  add(record: PackRecord, frame: Frame, firstBlob: number, from: Buffer): void {
    const wrapped = record.keys[frame.key] as Buffer;
    const name = wrapped.toString('latin1');
    let key = this.#keyNumbers.get(name);
    if (key === undefined) {
      key = this.#keys.push(wrapped) - 1;
      this.#keyNumbers.set(name, key);
    }
    from.copy(this.bytes, this.length, frame.offset, frame.offset + frame.storedLength);
    const ids = asBuffer(record.ids.subarray(firstBlob * ID_BYTES, (firstBlob + frame.blobs) * ID_BYTES));
    const lengths = Array.from({ length: frame.blobs }, (_, at) => record.lengths.readUInt32LE((firstBlob + at) * 4));
    this.#frames.addFrame({ ...frame, offset: this.length, key }, ids, lengths);
    this.length += frame.storedLength;
  }

  record(): PackRecord {
    return { ...this.#frames.build(), keys: this.#keys };
  }
}
