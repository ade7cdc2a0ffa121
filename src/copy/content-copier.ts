import { Buffer } from 'node:buffer';
import { blobId } from '../crypto/blob-id.js';
import { throwIfInterrupted, VarveError } from '../errors/errors.js';
import { type ContentRef, DATA } from '../format/content.js';
import { ID_BYTES } from '../format/limits.js';
import type { LocatedFrame } from '../repository/index/blob-index.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { FrameOpener, locateBlob, PackKeyRing, passOver } from '../repository/reading/blob-reader.js';
import { checkSize, splitIds } from '../repository/reading/content-stream.js';
import type { RepositoryWriter } from '../repository/writing/repository-writer.js';
import type { CopiedIds } from './copied-ids.js';

/** Frames to fetch ahead. */
const PREFETCHED_FRAMES = 4;

interface FrameAhead {
  readonly frame: LocatedFrame;
  readonly stored: Promise<Buffer>;
}

/** Copies the contents of files, blob by blob with the source's chunk boundaries. Reads each frame of the source once. */
export class ContentCopier {
  readonly #source: IndexedRepository;
  readonly #writer: RepositoryWriter;
  readonly #ids: CopiedIds;
  readonly #opener: FrameOpener;
  readonly #requested: Uint8Array;
  readonly #signal: AbortSignal | undefined;
  readonly #onCopied: (bytes: number) => void;

  /** @param onCopied called after each frame with the bytes that were copied from it */
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
    this.#requested = new Uint8Array(source.index.size);
    this.#onCopied = onCopied;
    this.#signal = signal;
  }

  /**
   * Requests blobs, which the next `copy` copies.
   *
   * @returns bytes of the blobs that were not requested before
   * @throws VarveError `damaged` when the source lacks one
   */
  request(ids: Buffer): number {
    let bytes = 0;
    for (const id of splitIds(ids)) {
      const blob = this.#number(id);
      if (this.#ids.has(blob) || this.#requested[blob] === 1) continue;
      this.#requested[blob] = 1;
      bytes += this.#source.index.lengthOf(blob);
    }
    return bytes;
  }

  /** Withdraws all requests, after a failure. */
  cancel(): void {
    this.#requested.fill(0);
  }

  /** Copies the requested blobs, in the order in which they are stored. */
  async copy(): Promise<void> {
    // A copy of a blob that cannot be read leaves the request to another copy.
    while (this.#requested.includes(1)) await this.#copyRequested();
  }

  async #copyRequested(): Promise<void> {
    const ahead: FrameAhead[] = [];
    for (const frame of this.#frames()) {
      const stored = this.#fetch(frame);
      // The error is thrown when the frame's turn comes.
      stored.catch(() => undefined);
      ahead.push({ frame, stored });
      if (ahead.length > PREFETCHED_FRAMES) await this.#copyFirst(ahead);
    }
    while (ahead.length > 0) await this.#copyFirst(ahead);
  }

  /**
   * Builds the reference to a content whose blobs are all copied.
   *
   * @param ids the source's ids of all its blobs
   * @throws VarveError `damaged` when the blobs do not have this size together
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

  /** Whether the target has all blobs, as far as is known. */
  isCopied(ids: Buffer): boolean {
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const blob = this.#source.index.find(ids, at);
      if (blob < 0 || !this.#ids.has(blob)) return false;
    }
    return true;
  }

  async #copyFirst(ahead: FrameAhead[]): Promise<void> {
    const first = ahead.shift();
    if (first === undefined) return;
    throwIfInterrupted(this.#signal);
    const { frame } = first;
    const raw = await this.#open(first);
    if (raw === undefined) return;
    const { index } = this.#source;
    let copied = 0;
    let at = 0;
    for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
      const length = index.lengthOf(blob);
      if (this.#requested[blob] === 1 && this.#copyBlob(blob, raw.subarray(at, at + length), frame.pack))
        copied += length;
      at += length;
    }
    this.#onCopied(copied);
    await this.#writer.settle();
  }

  /** @returns undefined when the frame cannot be read and other copies are requested instead */
  async #open({ frame, stored }: FrameAhead): Promise<Buffer | undefined> {
    try {
      return this.#opener.open(frame, await stored);
    } catch (cause) {
      for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++)
        if (this.#requested[blob] === 1) this.#requestOther(blob, cause);
      return undefined;
    }
  }

  /** @returns whether it was copied; if not, another copy of it is requested */
  #copyBlob(blob: number, bytes: Buffer, pack: number): boolean {
    const { index } = this.#source;
    this.#requested[blob] = 0;
    if (index.isNamed(blob, blobId(this.#source.keys.id, DATA, bytes))) {
      this.#ids.set(blob, this.#writer.put(DATA, bytes));
      return true;
    }
    const message = `data/${index.packName(pack)}: the content of a blob does not match its id; run \`varve check --read-data\` on the source`;
    this.#requestOther(blob, new VarveError('damaged', message));
    return false;
  }

  /** @throws the cause when there is no other copy */
  #requestOther(blob: number, cause: unknown): void {
    const { index, badCopies } = this.#source;
    if (!passOver(index, blob, cause, badCopies)) throw cause;
    this.#requested[blob] = 0;
    this.#requested[index.standInFor(blob)] = 1;
  }

  *#frames(): Generator<LocatedFrame> {
    const { index } = this.#source;
    for (let blob = this.#requested.indexOf(1); blob >= 0; ) {
      const frame = index.frame(index.locateFrame(blob));
      yield frame;
      blob = this.#requested.indexOf(1, frame.firstBlob + frame.blobs);
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
