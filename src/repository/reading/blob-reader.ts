// Opens frames and takes verified blobs out of them.
// Fetching frames is left to the caller, or to TreeReader and SyncTreeReader; the order of blobs to content-stream.ts.
import { Buffer } from 'node:buffer';
import { toHex } from '../../bytes/hex.js';
import { asBuffer, equalBytes } from '../../bytes/views.js';
import { decompress } from '../../compression/zstd.js';
import { blobId } from '../../crypto/blob-id.js';
import type { RepositoryKeys } from '../../crypto/hierarchy.js';
import { openFrame, unwrapPackKey } from '../../crypto/pack-key.js';
import { isAboutObject, VarveError } from '../../errors/errors.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../format/content.js';
import { ZSTD } from '../../format/pack-record.js';
import type { BadCopyReport } from '../bad-copies.js';
import type { BlobIndex, LocatedFrame } from '../index/blob-index.js';
import { streamBlobsSync, streamIdsSync } from './content-stream.js';

/** Unwraps pack keys, each once. Keys that the role cannot unwrap may be known because this machine made them. */
export class PackKeyRing {
  readonly #keys: RepositoryKeys;
  readonly #known: Map<string, Uint8Array>;

  /** @param known pack keys by the hex of their wrapped form */
  constructor(keys: RepositoryKeys, known: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#keys = keys;
    this.#known = new Map(known);
  }

  /** Whether the key was known from the start or unwrapped before. */
  has(wrapped: Buffer): boolean {
    return this.#known.has(toHex(wrapped));
  }

  keyOf(kind: BlobKind, wrapped: Buffer): Uint8Array {
    const name = toHex(wrapped);
    let key = this.#known.get(name);
    if (key === undefined) {
      key = unwrapPackKey(this.#keys, kind, wrapped);
      this.#known.set(name, key);
    }
    return key;
  }
}

/** Whether the key opens frames of a kind. */
export function opensFrames(keys: RepositoryKeys, kind: BlobKind): boolean {
  return keys.has(kind === TREE ? 'manage' : 'full');
}

/** Opens frames, and verifies frames and blobs. Reads nothing itself. */
export class FrameOpener {
  readonly index: BlobIndex;
  readonly #keys: RepositoryKeys;
  readonly #ring: PackKeyRing;

  constructor(index: BlobIndex, keys: RepositoryKeys, ring: PackKeyRing) {
    this.index = index;
    this.#keys = keys;
    this.#ring = ring;
  }

  /**
   * The plaintext of a frame: its blobs end to end.
   *
   * @param stored the frame's bytes in the pack
   * @param into optional buffer of `rawLength` bytes for the plaintext
   * @param scratch buffer as long as `stored` to decrypt into; without it, `stored` is overwritten
   */
  open(frame: LocatedFrame, stored: Buffer, into?: Buffer, scratch = stored): Buffer {
    const name = `data/${this.index.packName(frame.pack)}`;
    const key = this.#ring.keyOf(this.index.packKind(frame.pack), frame.wrappedKey);
    const body = openFrame(key, frame.counter, frame.codec, frame.rawLength, stored, name, scratch);
    const raw = frame.codec === ZSTD ? decompress(body, frame.rawLength, name, into) : asBuffer(body);
    if (raw.length === frame.rawLength && into !== undefined && frame.codec !== ZSTD) {
      into.set(raw);
      return into;
    }
    if (raw.length !== frame.rawLength) throw new VarveError('damaged', `${name}: a frame has a wrong length`);
    return raw;
  }

  /**
   * Verifies a frame's tag without decompressing it.
   *
   * @param stored the frame's bytes in the pack
   * @param scratch buffer as long as `stored` to decrypt into
   * @throws VarveError `damaged`
   */
  authenticate({ pack, wrappedKey, counter, codec, rawLength }: LocatedFrame, stored: Buffer, scratch: Buffer): void {
    const key = this.#ring.keyOf(this.index.packKind(pack), wrappedKey);
    openFrame(key, counter, codec, rawLength, stored, `data/${this.index.packName(pack)}`, scratch);
  }

  /**
   * Opens a frame and compares all its blobs with their ids.
   *
   * @param stored the frame's bytes in the pack, which stay as they are
   * @returns numbers of blobs that are not what their ids say, and what was wrong with the first
   */
  badBlobs(
    frame: LocatedFrame,
    stored: Buffer,
  ): { readonly blobs: readonly number[]; readonly cause: VarveError | undefined } {
    const { firstBlob, blobs, pack } = frame;
    const numbers = Array.from({ length: blobs }, (_, at) => firstBlob + at);
    let raw: Buffer;
    try {
      raw = this.open(frame, Buffer.from(stored));
    } catch (cause) {
      if (!isAboutObject(cause)) throw cause;
      return { blobs: numbers, cause: VarveError.from(cause) };
    }
    const kind = this.index.packKind(pack);
    let end = 0;
    const bad = numbers.filter((blob) => {
      const start = end;
      end += this.index.lengthOf(blob);
      return !this.index.isNamed(blob, blobId(this.#keys.id, kind, raw.subarray(start, end)));
    });
    if (bad.length === 0) return { blobs: bad, cause: undefined };
    const message = `data/${this.index.packName(pack)}: ${bad.length} blobs hold other data than their ids say`;
    return { blobs: bad, cause: new VarveError('damaged', message) };
  }

  /** Whether the bytes are the blob that the id names. */
  matches(id: Buffer, kind: BlobKind, bytes: Buffer): boolean {
    return equalBytes(blobId(this.#keys.id, kind, bytes), id);
  }

  /** @throws VarveError `damaged` unless the bytes are the blob that the id names */
  verify(id: Buffer, kind: BlobKind, bytes: Buffer, pack: number): void {
    if (!this.matches(id, kind, bytes)) {
      const name = `data/${this.index.packName(pack)}`;
      throw new VarveError(
        'damaged',
        `${name}: blob ${toHex(id)} holds other data than its id says; run \`varve check --read-data\``,
      );
    }
  }
}

/** Fetches a frame's stored bytes. */
export type FetchFrame = (packName: string, offset: number, length: number) => Buffer;

const CACHE_BYTES = 16 * 1024 * 1024;

/** Takes tree blobs out of frames, and caches the frames used last: a directory's neighbours are in the same frame. */
export class TreeBlobs {
  readonly #opener: FrameOpener;
  readonly #frames = new Map<number, Buffer>();
  readonly #reuse: boolean;
  readonly #spare: ArrayBufferLike[] = [];
  #cached = 0;

  /**
   * @param reuse reuses the buffers of frames. A blob is then valid only until a few more frames were supplied. Otherwise each frame is
   * a new buffer, which costs garbage collections
   */
  constructor(opener: FrameOpener, reuse = false) {
    this.#opener = opener;
    this.#reuse = reuse;
  }

  /** The frame to `supply` before `take(id)`, or undefined. */
  missing(id: Buffer): LocatedFrame | undefined {
    const frame = this.#locate(id).frame;
    return this.#frames.has(frame) ? undefined : this.#opener.index.frame(frame);
  }

  /** Takes the stored bytes of the frame that `missing(id)` returned. */
  supply(id: Buffer, stored: Buffer): void {
    const { frame } = this.#locate(id);
    if (this.#frames.has(frame)) return;
    const located = this.#opener.index.frame(frame);
    const raw = this.#opener.open(located, stored, this.#reuse ? this.#buffer(located.rawLength) : undefined);
    this.#frames.set(frame, raw);
    this.#cached += raw.length;
    for (const [oldest, bytes] of this.#frames) {
      if (this.#cached <= CACHE_BYTES || oldest === frame) break;
      this.#frames.delete(oldest);
      this.#cached -= bytes.length;
      if (this.#reuse) this.#spare.push(bytes.buffer);
    }
  }

  #buffer(length: number): Buffer {
    const spare = this.#spare.length > 1 ? this.#spare.shift() : undefined;
    return spare !== undefined && spare.byteLength >= length
      ? Buffer.from(spare, 0, length)
      : Buffer.allocUnsafeSlow(length);
  }

  /**
   * Gives up the copy that `missing`, `supply` and `take` used.
   *
   * @returns whether there is another, so that the caller can begin again
   */
  passOver(id: Buffer, cause: unknown, badCopies: BadCopyReport): boolean {
    const { index } = this.#opener;
    return passOver(index, index.find(id), cause, badCopies);
  }

  /** The verified blob, whose frame must have been supplied. */
  take(id: Buffer): Buffer {
    const { frame, offset, length, pack } = this.#locate(id);
    const raw = this.#frames.get(frame);
    if (raw === undefined) throw new VarveError('internal', 'a frame was not fetched');
    // Moves the frame to the end, so that the one used longest ago is evicted first.
    this.#frames.delete(frame);
    this.#frames.set(frame, raw);
    const blob = raw.subarray(offset, offset + length);
    this.#opener.verify(id, TREE, blob, pack);
    return blob;
  }

  #locate(id: Buffer): ReturnType<BlobIndex['locate']> {
    return locateBlob(this.#opener.index, id, TREE);
  }
}

/** The error about a blob that no index object lists. */
class UnlistedBlobError extends VarveError {}

/** Whether the error, or its cause, is that the index does not list a blob. A backup can store that blob again. */
export function isUnlisted(cause: unknown): boolean {
  return cause instanceof UnlistedBlobError || (cause instanceof VarveError && isUnlisted(cause.cause));
}

/** @throws VarveError `damaged` when the index does not list the blob, or lists it as another kind */
export function locateBlob(index: BlobIndex, id: Buffer, kind: BlobKind): ReturnType<BlobIndex['locate']> {
  let blob = index.find(id);
  const isOther = (): boolean => index.packKind(index.packOf(index.locateFrame(blob))) !== kind;
  while (blob >= 0 && isOther() && index.reject(blob)) blob = index.find(id);
  const location = blob < 0 ? undefined : index.locate(blob);
  if (location === undefined || index.packKind(location.pack) !== kind) {
    const what = kind === DATA ? 'data' : 'tree';
    const message = `${what} blob ${toHex(id)} is in no pack that the index lists; run \`varve check\``;
    throw location === undefined ? new UnlistedBlobError('damaged', message) : new VarveError('damaged', message);
  }
  return location;
}

/**
 * Gives up a copy of a blob that cannot be read.
 *
 * @param blob its number
 * @param cause why
 * @param badCopies gets it, if there is another copy
 * @returns whether `find` now gives another copy
 */
export function passOver(index: BlobIndex, blob: number, cause: unknown, badCopies: BadCopyReport): boolean {
  if (blob < 0 || !isAboutObject(cause) || !index.reject(blob)) return false;
  badCopies.report(index.packName(index.packOf(index.locateFrame(blob))), VarveError.from(cause));
  return true;
}

/** Reads trees in worker threads, which may block. */
export class SyncTreeReader {
  readonly #blobs: TreeBlobs;
  readonly #fetch: FetchFrame;
  readonly #badCopies: BadCopyReport;
  readonly #index: BlobIndex;

  constructor(opener: FrameOpener, fetch: FetchFrame, badCopies: BadCopyReport) {
    this.#blobs = new TreeBlobs(opener);
    this.#fetch = fetch;
    this.#badCopies = badCopies;
    this.#index = opener.index;
  }

  blob(id: Buffer): Buffer {
    for (;;) {
      try {
        return this.#copy(id);
      } catch (cause) {
        if (!this.#blobs.passOver(id, cause, this.#badCopies)) throw cause;
      }
    }
  }

  #copy(id: Buffer): Buffer {
    const frame = this.#blobs.missing(id);
    if (frame !== undefined) {
      this.#blobs.supply(id, this.#fetch(this.#index.packName(frame.pack), frame.offset, frame.storedLength));
    }
    return this.#blobs.take(id);
  }

  /** @throws VarveError as `streamBlobs` */
  stream(content: ContentRef): Generator<Buffer> {
    return streamBlobsSync(content, (id) => this.blob(id));
  }

  /** The ids of a content's blobs. @throws VarveError as `streamIds` */
  lists(content: ContentRef): Generator<Buffer> {
    return streamIdsSync(content, (id) => this.blob(id));
  }
}
