// Buffers in shared memory that workers take and the main thread frees.
// The users agree on what is in them.
import { sharedPages, wholePages } from '../bytes/pages.js';
import { VarveError } from '../errors/errors.js';

const FREE = 0;
const TAKEN = 1;
const ABORTED = -1;

/** What crosses to a worker thread. */
export interface SharedBuffersHandle {
  /** One state for each buffer, then the abort flag, then a counter that every release moves. */
  readonly states: Int32Array;
  readonly memory: SharedArrayBuffer;
  /** Bytes of each buffer. */
  readonly size: number;
}

/**
 * A fixed number of equal buffers that threads hand to each other. A worker that finds none free waits: this is how a slow store
 * holds back the reading. They begin at whole pages, as writing past the page cache demands.
 */
export class SharedBuffers {
  readonly handle: SharedBuffersHandle;
  readonly #views: Uint8Array[];

  constructor(handle: SharedBuffersHandle) {
    this.handle = handle;
    const { memory, size, states } = handle;
    this.#views = Array.from({ length: states.length - 2 }, (_, number) => new Uint8Array(memory, number * size, size));
  }

  /** @param size bytes of each buffer; memory that is never written costs nothing */
  static create(count: number, size: number): SharedBuffers {
    const stride = wholePages(size);
    const states = new Int32Array(new SharedArrayBuffer((count + 2) * 4));
    return new SharedBuffers({ states, memory: sharedPages(count * stride), size: stride });
  }

  get count(): number {
    return this.#views.length;
  }

  bytes(number: number): Uint8Array {
    const view = this.#views[number];
    if (view === undefined) throw new RangeError(`no shared buffer ${number}`);
    return view;
  }

  /** Takes a free buffer, waiting for one. Only for worker threads: the main thread must not wait. */
  acquire(): number {
    const { states } = this.handle;
    for (;;) {
      const releases = Atomics.load(states, this.count + 1);
      const number = this.tryAcquire();
      if (number !== undefined) return number;
      Atomics.wait(states, this.count + 1, releases);
    }
  }

  tryAcquire(): number | undefined {
    const { states } = this.handle;
    if (Atomics.load(states, this.count) === ABORTED) throw new VarveError('interrupted', 'interrupted');
    for (let number = 0; number < this.count; number++) {
      if (Atomics.compareExchange(states, number, FREE, TAKEN) === FREE) return number;
    }
    return undefined;
  }

  release(number: number): void {
    Atomics.store(this.handle.states, number, FREE);
    this.#wake();
  }

  /** Makes every present and future wait end with an error. */
  abort(): void {
    Atomics.store(this.handle.states, this.count, ABORTED);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.handle.states, this.count + 1, 1);
    Atomics.notify(this.handle.states, this.count + 1);
  }
}
