import { Buffer } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import { blobId } from '../crypto/blob-id.js';
import { importKeys, type RepositoryKeys } from '../crypto/hierarchy.js';
import { VarveError } from '../errors/errors.js';
import { BlobIndex, type LocatedFrame } from '../repository/index/blob-index.js';
import { openSource, type Source } from '../repository/packs/object-source.js';
import { FrameOpener, PackKeyRing } from '../repository/reading/blob-reader.js';
import { reasonOf } from './findings.js';
import type { Damage, Reply, Task, WorkerInit } from './messages.js';

/** Bytes read at a time when an object is only hashed. */
const PIECE = 1024 * 1024;

interface Opening {
  readonly keys: RepositoryKeys;
  readonly index: BlobIndex;
}

/** Runs in a worker: reads objects whole, hashes them, and opens each frame of a pack while it is in the processor's cache. */
export class ObjectReader {
  readonly #opening: Opening | undefined;
  #stored = Buffer.allocUnsafeSlow(PIECE);
  #raw = Buffer.alloc(0);

  constructor({ opening }: WorkerInit) {
    this.#opening = opening && { keys: importKeys(opening.keys), index: new BlobIndex(opening.index) };
  }

  read(task: Task): Reply {
    const damages: Damage[] = [];
    let source: Source | undefined;
    try {
      source = openSource(task.source, task.object);
      const hash = createHash('sha256');
      const at = task.pack === undefined ? 0 : this.#readFrames(source, hash, task.object, task.pack, damages);
      const contentsLength = Math.min(Math.max(at, task.contentsLength ?? at), source.size);
      this.#hash(source, hash, at, contentsLength);
      const contents = task.contentsLength === contentsLength ? hash.copy().digest() : undefined;
      this.#hash(source, hash, contentsLength, source.size);
      return { kind: 'read', hash: hash.digest('hex'), contents, damages };
    } catch (cause) {
      return { kind: 'failed', error: VarveError.from(cause).toJSON() };
    } finally {
      source?.close();
    }
  }

  /** @returns the number of bytes that were hashed */
  #readFrames(source: Source, hash: Hash, object: string, pack: number, damages: Damage[]): number {
    if (this.#opening === undefined) throw new VarveError('internal', 'a pack came without keys');
    const { index, keys } = this.#opening;
    const opener = new FrameOpener(index, keys, new PackKeyRing(keys));
    const { first, end } = index.framesOf(pack);
    let at = 0;
    for (let frame = first; frame < end; frame++) {
      const located = index.frame(frame);
      if (located.offset + located.storedLength > source.size) {
        damages.push({ frame, reason: 'it ends before all of its frames' });
        continue;
      }
      this.#hash(source, hash, at, located.offset);
      const stored = this.#storedBuffer(located.storedLength);
      source.read(stored, located.offset);
      hash.update(stored);
      at = located.offset + located.storedLength;
      this.#openFrame(opener, frame, located, stored, object, damages);
    }
    return at;
  }

  #openFrame(
    opener: FrameOpener,
    frame: number,
    located: LocatedFrame,
    stored: Buffer,
    object: string,
    damages: Damage[],
  ): void {
    try {
      this.#verify(opener.open(located, stored, this.#rawBuffer(located.rawLength)), frame, located, damages);
    } catch (cause) {
      damages.push({ frame, reason: reasonOf(object, cause) });
    }
  }

  #verify(raw: Buffer, frame: number, { firstBlob, blobs, pack }: LocatedFrame, damages: Damage[]): void {
    const { keys, index } = this.#opening as Opening;
    const kind = index.packKind(pack);
    let at = 0;
    for (let blob = firstBlob; blob < firstBlob + blobs; blob++) {
      const length = index.lengthOf(blob);
      const id = blobId(keys.id, kind, raw.subarray(at, at + length));
      if (!index.isNamed(blob, id)) damages.push({ frame, blob, reason: 'a blob holds other data than its id says' });
      at += length;
    }
  }

  #hash(source: Source, hash: Hash, from: number, to: number): void {
    for (let at = from; at < to; at += PIECE) {
      const piece = this.#storedBuffer(Math.min(PIECE, to - at));
      source.read(piece, at);
      hash.update(piece);
    }
  }

  #storedBuffer(length: number): Buffer {
    if (this.#stored.length < length) this.#stored = Buffer.allocUnsafeSlow(length);
    return this.#stored.subarray(0, length);
  }

  #rawBuffer(length: number): Buffer {
    if (this.#raw.length < length) this.#raw = Buffer.allocUnsafeSlow(length);
    return this.#raw.subarray(0, length);
  }
}
