// Copies the needed blobs of packs into new packs.
// plan.ts chooses the packs.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { RepositoryKeys } from '../crypto/hierarchy.js';
import { VarveError } from '../errors/errors.js';
import { type BlobKind, DATA, TREE } from '../format/content.js';
import { framesOf, type PackRecord, RAW, type RecordFrame, ZSTD } from '../format/pack-record.js';
import type { BlobIndex, LocatedFrame } from '../repository/index/blob-index.js';
import { openSource, type Source } from '../repository/packs/object-source.js';
import type { PackPart, PackWriter, PackWriters } from '../repository/packs/pack-writer.js';
import { FrameOpener, opensFrames, PackKeyRing } from '../repository/reading/blob-reader.js';
import { listedFrames } from '../repository/reading/pack-verifier.js';
import type { PackToCopy, Reply, Task } from './messages.js';
import { isTolerable } from './plan.js';
import { Refill } from './refill.js';

export interface PackCopierOptions {
  readonly keys: RepositoryKeys;
  readonly index: BlobIndex;
  /** One byte for each blob of the index: 1 when it is needed. */
  readonly needed: Uint8Array;
  /** Frames with less than this part of waste are copied whole. */
  readonly tolerated: number;
  /** Whether compression is tried again on frames that are not compressed. */
  readonly recompress: boolean;
  /** The writers of the new packs. */
  readonly packs: PackWriters;
}

/**
 * Copies what is needed of old packs into new ones, in any thread. A frame that is needed whole is copied sealed, with its wrapped key
 * (SPEC.md section 9). Other frames are opened, if the key can, and their needed blobs fill new frames. Damage is never copied: every frame that the
 * key opens is opened; other packs are hashed whole.
 */
export class PackCopier {
  readonly #keys: RepositoryKeys;
  readonly #index: BlobIndex;
  readonly #needed: Uint8Array;
  readonly #tolerated: number;
  readonly #recompress: boolean;
  readonly #opener: FrameOpener;
  readonly #writers: Readonly<Record<BlobKind, Writer>>;
  #stored: Buffer = Buffer.alloc(0);
  #opened: Buffer = Buffer.alloc(0);
  #raw: Buffer = Buffer.alloc(0);

  constructor({ keys, index, needed, tolerated, recompress, packs }: PackCopierOptions) {
    this.#keys = keys;
    this.#index = index;
    this.#needed = needed;
    this.#tolerated = tolerated;
    this.#recompress = recompress;
    this.#opener = new FrameOpener(index, keys, new PackKeyRing(keys));
    const writer = (kind: BlobKind): Writer => ({ packs: packs[kind], refill: new Refill(kind, packs[kind]) });
    this.#writers = { [DATA]: writer(DATA), [TREE]: writer(TREE) };
  }

  /** @throws VarveError `damaged` when a needed blob cannot be copied; blobs that were copied before it are then stored twice */
  perform(task: Task): Reply {
    if (task.kind === 'flush') return { kind: 'partialPacks', parts: this.#flush() };
    return { kind: this.#copy(task) ? 'copied' : 'skipped' };
  }

  #copy({ pack, record, source: pathOrBytes, onlyIfSmaller }: PackToCopy): boolean {
    const name = `data/${this.#index.packName(pack)}`;
    const source = openSource(pathOrBytes, name);
    try {
      const opens = opensFrames(this.#keys, this.#index.packKind(pack));
      if (!opens) this.#verifyWhole(source, pack);
      const frames = [...framesOf(record)];
      const located = listedFrames(this.#index, pack, record);
      if (onlyIfSmaller && !located.some((frame) => this.#compresses(source, frame))) return false;
      for (const [at, listed] of located.entries())
        this.#frame(source, record, frames[at] as RecordFrame, listed, opens);
      return true;
    } finally {
      source.close();
    }
  }

  /** Closes all frames and takes the packs that are not full. */
  #flush(): PackPart[] {
    for (const { refill } of Object.values(this.#writers)) refill.flush();
    return Object.values(this.#writers).flatMap(({ packs }) => packs.takePart() ?? []);
  }

  #frame(source: Source, record: PackRecord, frame: RecordFrame, listed: LocatedFrame, opens: boolean): void {
    const { firstBlob, blobs } = listed;
    let neededBytes = 0;
    for (let blob = firstBlob; blob < firstBlob + blobs; blob++)
      if (this.#needed[blob] === 1) neededBytes += this.#index.lengthOf(blob);
    if (neededBytes === 0) return;
    const { packs, refill } = this.#writers[record.kind];
    const stored = this.#read(source, frame);
    if (!opens) return packs.addSealed(record, frame, stored);
    this.#opened = atLeast(this.#opened, frame.storedLength);
    const again = this.#recompress && frame.codec === RAW;
    const isWhole = this.#verify(listed, stored);
    if (isWhole && !again && isTolerable(1 - neededBytes / frame.rawLength, this.#tolerated)) {
      this.#opener.authenticate(listed, stored, this.#opened);
      return packs.addSealed(record, frame, stored);
    }
    this.#raw = atLeast(this.#raw, frame.rawLength);
    const raw = this.#opener.open(listed, stored, this.#raw.subarray(0, frame.rawLength), this.#opened);
    const before = firstBlob - frame.firstBlob;
    refill.add(record, again ? { ...frame, codec: ZSTD } : frame, raw, (blob) => this.#needed[before + blob] === 1);
  }

  /**
   * Looks into a frame that nobody vouches for: it may hold other blobs than its ids say.
   *
   * @returns whether all of it may be copied
   * @throws VarveError `damaged` when that goes for a needed blob
   */
  #verify(listed: LocatedFrame, stored: Buffer): boolean {
    if (this.#index.isVouched(listed.pack)) return true;
    const { blobs, cause } = this.#opener.badBlobs(listed, stored);
    if (blobs.some((blob) => this.#needed[blob] === 1)) throw cause;
    return blobs.length === 0;
  }

  #read(source: Source, { offset, storedLength }: Pick<RecordFrame, 'offset' | 'storedLength'>): Buffer {
    this.#stored = atLeast(this.#stored, storedLength);
    const stored = this.#stored.subarray(0, storedLength);
    source.read(stored, offset);
    return stored;
  }

  /** Whether compression would make an uncompressed frame smaller. */
  #compresses(source: Source, listed: LocatedFrame): boolean {
    if (listed.codec !== RAW) return false;
    const raw = this.#opener.open(listed, this.#read(source, listed));
    return this.#writers[this.#index.packKind(listed.pack)].packs.compresses(raw);
  }

  #verifyWhole(source: Source, pack: number): void {
    const hash = createHash('sha256');
    this.#stored = atLeast(this.#stored, PIECE);
    for (let at = 0; at < source.size; at += PIECE) {
      const piece = this.#stored.subarray(0, Math.min(PIECE, source.size - at));
      source.read(piece, at);
      hash.update(piece);
    }
    const name = this.#index.packName(pack);
    if (hash.digest('hex') !== name)
      throw new VarveError('damaged', `data/${name}: its content does not match its name; run \`varve check\``);
  }
}

/** Bytes read at a time when a pack is only hashed. */
const PIECE = 1024 * 1024;

interface Writer {
  readonly packs: PackWriter;
  readonly refill: Refill;
}

function atLeast(buffer: Buffer, length: number): Buffer {
  return buffer.length >= length ? buffer : Buffer.allocUnsafeSlow(length);
}
