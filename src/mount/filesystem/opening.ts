// Decodes frames and blobs in one thread: reads, decrypts, decompresses and verifies.
// Which ones, and where the results go, is left to contents.ts.

import { Buffer } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { asBuffer, equalBytes } from '../../bytes/views.js';
import { decompress } from '../../compression/zstd.js';
import { blobId } from '../../crypto/blob-id.js';
import { CIPHER_BLOCK, decryptFramePart, openFrame } from '../../crypto/pack-key.js';
import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';
import { DATA } from '../../format/content.js';
import { type Codec, ZSTD } from '../../format/pack-record.js';
import { READ_FLAGS } from '../../storage/local/regular-file.js';
import { LruCache } from './lru-cache.js';

/** Pack files to keep open. */
const OPEN_FILES = 64;

/** A piece of a frame's plaintext, and where to put it. */
export interface Part {
  /** The destination: an offset in the shared memory, or a buffer of its own. */
  readonly into: number | Uint8Array;
  /** Offset in the frame's plaintext. */
  readonly offset: number;
  readonly length: number;
  /** The first 16 bytes of the id of each blob to verify. */
  readonly ids: Uint8Array;
  readonly lengths: readonly number[];
}

/** A frame to decode, or blobs of an uncompressed frame. */
export interface Opening {
  /** The pack's name in errors. */
  readonly name: string;
  /** The path of the pack, or bytes of it that were fetched. */
  readonly source: string | Uint8Array;
  /** The offset of the frame in the pack. */
  readonly frame: number;
  readonly storedLength: number;
  readonly rawLength: number;
  readonly key: Uint8Array;
  readonly counter: number;
  readonly codec: Codec;
  /** The whole frame as one part, or parts of an uncompressed frame that follow each other. */
  readonly parts: readonly Part[];
}

/** The range of the pack that an opening needs: the whole frame, or the blocks that its parts lie in. */
export function neededRange({ frame, storedLength, codec, parts }: Omit<Opening, 'source'>): {
  offset: number;
  length: number;
} {
  if (codec === ZSTD) return { offset: frame, length: storedLength };
  const first = parts[0]?.offset ?? 0;
  const last = parts[parts.length - 1];
  const begin = first - (first % CIPHER_BLOCK);
  return { offset: frame + begin, length: (last === undefined ? 0 : last.offset + last.length) - begin };
}

/** Decodes frames in one thread. */
export class Opener {
  readonly #idKey: Uint8Array;
  readonly #memory: Buffer;
  readonly #files = new LruCache<string, number>({ maxEntries: OPEN_FILES, onEvict: closeSync });
  #scratch = Buffer.allocUnsafeSlow(0);

  constructor(idKey: Uint8Array, memory: SharedArrayBuffer) {
    this.#idKey = idKey;
    this.#memory = Buffer.from(memory);
  }

  /** Fills the destinations. @throws VarveError `damaged`, `not-found` or `storage` */
  open(opening: Opening): void {
    const { source, name } = opening;
    const { offset, length } = neededRange(opening);
    const stored = typeof source === 'string' ? this.#read(source, name, offset, length) : asBuffer(source);
    if (opening.codec === ZSTD) this.#openWhole(opening, stored);
    else this.#openParts(opening, stored, offset);
  }

  close(): void {
    this.#files.clear();
  }

  #openWhole({ key, counter, codec, rawLength, name, parts }: Opening, stored: Buffer): void {
    const [part] = parts;
    if (part === undefined) return;
    const body = openFrame(key, counter, codec, rawLength, stored, name);
    const into = this.#into(part, rawLength);
    decompress(body, rawLength, name, into);
    this.#verify(part, into, name);
  }

  /** Reads only the blobs: their ids prove them, so the frame's tag is not needed. */
  #openParts({ key, counter, name, parts, frame }: Opening, stored: Buffer, from: number): void {
    const first = from - frame;
    for (const part of parts) {
      const skipped = part.offset % CIPHER_BLOCK;
      const begin = part.offset - skipped;
      const sealed = stored.subarray(begin - first, part.offset - first + part.length);
      const out = this.#into(part, sealed.length);
      decryptFramePart(key, counter, begin, sealed, out);
      if (skipped > 0) out.copyWithin(0, skipped);
      this.#verify(part, out.subarray(0, part.length), name);
    }
  }

  #into({ into }: Part, length: number): Buffer {
    return typeof into === 'number' ? this.#memory.subarray(into, into + length) : asBuffer(into).subarray(0, length);
  }

  #verify({ ids, lengths }: Part, bytes: Buffer, name: string): void {
    for (let number = 0, at = 0; number * ID_PREFIX < ids.length; number++) {
      const length = lengths[number] as number;
      verifyBlob(
        this.#idKey,
        ids.subarray(number * ID_PREFIX, (number + 1) * ID_PREFIX),
        bytes.subarray(at, at + length),
        name,
      );
      at += length;
    }
  }

  #read(path: string, name: string, offset: number, length: number): Buffer {
    if (this.#scratch.length < length) this.#scratch = Buffer.allocUnsafeSlow(Math.max(length, 4 * 1024 * 1024));
    const into = this.#scratch.subarray(0, length);
    try {
      const file = this.#file(path);
      for (let filled = 0; filled < length; ) {
        const count = readSync(file, into, filled, length - filled, offset + filled);
        if (count === 0) throw new VarveError('damaged', `${name}: ends early; run \`varve check\``);
        filled += count;
      }
      return into;
    } catch (cause) {
      if (cause instanceof VarveError) throw cause;
      if (errnoCode(cause) === 'ENOENT') throw new VarveError('not-found', `${name}: is missing`, { cause });
      throw new VarveError('storage', `${name}: cannot be read: ${systemReason(cause)}`, { cause });
    }
  }

  #file(path: string): number {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = openSync(path, READ_FLAGS);
    this.#files.set(path, file);
    return file;
  }
}

/** Bytes of each id in the index. */
export const ID_PREFIX = 16;

/** @throws VarveError `damaged` when the id of the bytes does not begin with `prefix` */
export function verifyBlob(idKey: Uint8Array, prefix: Uint8Array, bytes: Uint8Array, name: string): void {
  const id = blobId(idKey, DATA, bytes);
  if (equalBytes(id.subarray(0, ID_PREFIX), prefix)) return;
  throw new VarveError('damaged', `${name}: a blob does not match its id; run \`varve check --read-data\``);
}
