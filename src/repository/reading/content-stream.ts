// The blobs of a content reference, in order, whether the reader waits for them or blocks.
// Where blobs come from is left to the caller, who fetches and verifies each one.
import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { ContentRef } from '../../format/content.js';
import { ID_BYTES } from '../../format/limits.js';

/** A request for a blob of kind tree: the generator is resumed with its bytes. */
class Request {
  readonly id: Buffer;

  constructor(id: Buffer) {
    this.id = id;
  }
}

/** Yields requests and results. After a result the value of `next` is ignored. */
type Steps = Generator<Request | Buffer, void, Buffer>;

const NOTHING = Buffer.alloc(0);

/** The ids of the content's blobs. With a list of blobs, each result has the ids that its next blob completes. */
function* idSteps({ size, depth, ids }: ContentRef): Steps {
  if (depth === 0) return void (yield ids);
  const list = new IdList(size);
  for (const id of splitIds(ids)) yield list.push(yield new Request(id));
  list.end();
}

/** The blobs themselves. A hostile reference ends them as soon as they have more bytes than it states. */
function* blobSteps({ size, depth, ids }: ContentRef): Steps {
  const list = depth === 0 ? undefined : new IdList(size);
  let read = 0;
  for (const direct of splitIds(ids)) {
    for (const id of splitIds(list === undefined ? direct : list.push(yield new Request(direct)))) {
      const blob = yield new Request(id);
      read += blob.length;
      if (read > size) checkSize(read, size);
      yield blob;
    }
  }
  list?.end();
  checkSize(read, size);
}

async function* run(steps: Steps, fetch: (id: Buffer) => Promise<Buffer>): AsyncGenerator<Buffer> {
  for (let step = steps.next(NOTHING); step.done !== true; ) {
    if (step.value instanceof Request) step = steps.next(await fetch(step.value.id));
    else {
      yield step.value;
      step = steps.next(NOTHING);
    }
  }
}

function* runSync(steps: Steps, fetch: (id: Buffer) => Buffer): Generator<Buffer> {
  for (let step = steps.next(NOTHING); step.done !== true; ) {
    if (step.value instanceof Request) step = steps.next(fetch(step.value.id));
    else {
      yield step.value;
      step = steps.next(NOTHING);
    }
  }
}

/**
 * The ids of a content's blobs, several at a time. Lists of blobs are resolved.
 *
 * @throws VarveError `damaged` when a list is not a whole number of ids, or has more of them than the content has bytes
 */
export const streamIds = (content: ContentRef, fetch: (id: Buffer) => Promise<Buffer>): AsyncGenerator<Buffer> =>
  run(idSteps(content), fetch);

/** `streamIds` for worker threads, which may block. */
export const streamIdsSync = (content: ContentRef, fetch: (id: Buffer) => Buffer): Generator<Buffer> =>
  runSync(idSteps(content), fetch);

/**
 * The blobs of a content of kind tree.
 *
 * @throws VarveError `damaged` as soon as they have more bytes than the reference states, or at the end when they have fewer
 */
export const streamBlobs = (content: ContentRef, fetch: (id: Buffer) => Promise<Buffer>): AsyncGenerator<Buffer> =>
  run(blobSteps(content), fetch);

/** `streamBlobs` for worker threads, which may block. */
export const streamBlobsSync = (content: ContentRef, fetch: (id: Buffer) => Buffer): Generator<Buffer> =>
  runSync(blobSteps(content), fetch);

/** Splits a list of ids. Each is a view of the list. */
export function* splitIds(ids: Buffer): Generator<Buffer> {
  for (let at = 0; at < ids.length; at += ID_BYTES) yield ids.subarray(at, at + ID_BYTES);
}

/** A list of ids that is stored as blobs, which are cut anywhere. Holds one blob of it at a time. */
export class IdList {
  readonly #size: number;
  #rest: Buffer = NOTHING;
  #count = 0;

  /** @param size bytes of the content that the ids stand for */
  constructor(size: number) {
    this.#size = size;
  }

  /**
   * Takes the list's next blob, and returns the ids that it completes.
   *
   * @throws VarveError `damaged` once there are more ids than the content has bytes, so that no list is endless
   */
  push(blob: Buffer): Buffer {
    const bytes = this.#rest.length === 0 ? blob : Buffer.concat([this.#rest, blob]);
    const whole = bytes.length - (bytes.length % ID_BYTES);
    this.#count += whole / ID_BYTES;
    if (this.#count > this.#size) throw new VarveError('damaged', `it has more chunks than its ${this.#size} bytes`);
    this.#rest = bytes.subarray(whole);
    return bytes.subarray(0, whole);
  }

  /** @throws VarveError `damaged` when the list ends within an id */
  end(): void {
    if (this.#rest.length > 0) throw new VarveError('damaged', 'a list of blobs is cut off');
  }
}

/** @throws VarveError `damaged` unless the blobs of a content have as many bytes as its reference states */
export function checkSize(ofBlobs: number, stated: number): void {
  if (ofBlobs !== stated)
    throw new VarveError('damaged', `its chunks have ${ofBlobs} bytes together, not ${stated} as the snapshot says`);
}
