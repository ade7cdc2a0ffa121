import { Buffer } from 'node:buffer';
import { blobId } from '../crypto/blob-id.js';
import { throwIfInterrupted, VarveError } from '../errors/errors.js';
import { type ContentRef, DATA } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';
import type { LocatedFrame } from '../repository/index/blob-index.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { FrameOpener, locateBlob, PackKeyRing } from '../repository/reading/blob-reader.js';
import { checkSize, splitIds } from '../repository/reading/content-stream.js';
import type { RepositoryWriter } from '../repository/writing/repository-writer.js';
import type { CopiedIds } from './copied-ids.js';

/** Frames that are fetched ahead. */
const AHEAD = 4;

/** Copies the contents of files blob by blob, as they are cut; each frame of the source is read once. */
export class ContentCopier {
  readonly #source: IndexedRepository;
  readonly #writer: RepositoryWriter;
  readonly #ids: CopiedIds;
  readonly #opener: FrameOpener;
  readonly #wanted: Uint8Array;
  readonly #signal: AbortSignal | undefined;
  readonly #onCopied: (bytes: number) => void;

  /** @param onCopied is told, frame by frame, how many bytes were read and are there now */
  constructor(
    source: IndexedRepository,
    writer: RepositoryWriter,
    ids: CopiedIds,
    onCopied: (bytes: number) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#writer = writer;
    this.#ids = ids;
    this.#opener = new FrameOpener(source.index, source.keys, new PackKeyRing(source.keys));
    this.#wanted = new Uint8Array(source.index.size);
    this.#onCopied = onCopied;
    this.#signal = signal;
  }

  /**
   * Notes blobs that are to be copied.
   *
   * @returns bytes of those that were not noted before
   * @throws VarveError `damaged` when the source lacks one
   */
  want(ids: Buffer): number {
    let bytes = 0;
    for (const id of splitIds(ids)) {
      const blob = this.#number(id);
      if (this.#ids.has(blob) || this.#wanted[blob] === 1) continue;
      this.#wanted[blob] = 1;
      bytes += this.#source.index.lengthOf(blob);
    }
    return bytes;
  }

  /** After a failure: what was noted and is not copied is not wanted any more. */
  forget(): void {
    this.#wanted.fill(0);
  }

  /** Copies what is wanted, in the order in which it is stored. */
  async copy(): Promise<void> {
    const ahead: { readonly frame: LocatedFrame; readonly stored: Promise<Buffer> }[] = [];
    for (const frame of this.#frames()) {
      const stored = this.#fetch(frame);
      // It is told when its turn comes.
      stored.catch(() => undefined);
      ahead.push({ frame, stored });
      if (ahead.length > AHEAD) await this.#copyFirst(ahead);
    }
    while (ahead.length > 0) await this.#copyFirst(ahead);
  }

  /**
   * The reference to a content that has been copied.
   *
   * @param ids all of the source's ids of it
   * @throws VarveError `damaged` when the blobs are not together as long as stated
   */
  reference(size: number, ids: Buffer): ContentRef {
    const copied = Buffer.allocUnsafe(ids.length);
    let at = 0;
    let bytes = 0;
    for (const id of splitIds(ids)) {
      const blob = this.#number(id);
      at += this.#ids.get(blob).copy(copied, at);
      bytes += this.#source.index.lengthOf(blob);
    }
    checkSize(bytes, size);
    return this.#writer.reference({ size, ids: copied });
  }

  /** Whether all blobs are known to be there. */
  isCopied(ids: Buffer): boolean {
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const blob = this.#source.index.find(ids, at);
      if (blob < 0 || !this.#ids.has(blob)) return false;
    }
    return true;
  }

  async #copyFirst(ahead: { readonly frame: LocatedFrame; readonly stored: Promise<Buffer> }[]): Promise<void> {
    const first = ahead.shift();
    if (first === undefined) return;
    throwIfInterrupted(this.#signal);
    const { frame, stored } = first;
    const raw = this.#opener.open(frame, await stored);
    const { index } = this.#source;
    let copied = 0;
    let at = 0;
    for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
      const length = index.lengthOf(blob);
      if (this.#wanted[blob] === 1) {
        this.#copyBlob(blob, raw.subarray(at, at + length), frame.pack);
        copied += length;
      }
      at += length;
    }
    this.#onCopied(copied);
    await this.#writer.settle();
  }

  #copyBlob(blob: number, bytes: Buffer, pack: number): void {
    const { index } = this.#source;
    if (!index.isNamed(blob, blobId(this.#source.keys.id, DATA, bytes)))
      throw new VarveError(
        'damaged',
        `data/${index.packName(pack)}: a blob holds other data than its id says; run \`varve check --read-data\` on the source`,
      );
    this.#ids.set(blob, this.#writer.put(DATA, bytes));
    this.#wanted[blob] = 0;
  }

  *#frames(): Generator<LocatedFrame> {
    const { index } = this.#source;
    for (let blob = this.#wanted.indexOf(1); blob >= 0; ) {
      const frame = index.frame(index.locateFrame(blob));
      yield frame;
      blob = this.#wanted.indexOf(1, frame.firstBlob + frame.blobs);
    }
  }

  #fetch({ pack, offset, storedLength }: LocatedFrame): Promise<Buffer> {
    const { index, store } = this.#source;
    return store.get('data', index.packName(pack), { offset, length: storedLength });
  }

  #number(id: Buffer): number {
    locateBlob(this.#source.index, id, DATA);
    return this.#source.index.find(id);
  }
}
