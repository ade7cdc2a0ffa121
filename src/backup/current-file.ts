/** Shows which file each worker is reading, for progress: a worker writes to shared memory without a lock, the main thread reads it. */
import { Buffer } from 'node:buffer';

/** Longer paths lose their beginning. */
const PATH_BYTES = 1024;
const VERSION = 0;
const LENGTH = 1;
const HEAD_BYTES = 8;

/** The current file of one worker. */
export class CurrentFile {
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #path: Buffer;

  /** @param memory of the instance that another thread made */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEAD_BYTES + PATH_BYTES)) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.#path = Buffer.from(memory, HEAD_BYTES);
  }

  /** Sets the file that is being read. */
  set(path: Uint8Array): void {
    const kept = path.length <= PATH_BYTES ? path : path.subarray(-PATH_BYTES);
    // The version is odd while the bytes are being written.
    Atomics.add(this.#head, VERSION, 1);
    this.#path.set(kept);
    Atomics.store(this.#head, LENGTH, kept.length);
    Atomics.add(this.#head, VERSION, 1);
  }

  /** Sets that no file is being read. */
  clear(): void {
    Atomics.store(this.#head, LENGTH, 0);
  }

  /** The file's path; undefined when no file is being read, or while the path is being written. */
  get(): Buffer | undefined {
    const before = Atomics.load(this.#head, VERSION);
    const length = Atomics.load(this.#head, LENGTH);
    if (length === 0 || before % 2 !== 0) return undefined;
    const path = Buffer.from(this.#path.subarray(0, length));
    return Atomics.load(this.#head, VERSION) === before ? path : undefined;
  }
}
