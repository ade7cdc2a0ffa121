import { throwIfInterrupted } from '../../errors/errors.js';

/** Milliseconds for which a loop may keep the event loop waiting: signals, timers and progress need it. */
const SLICE_MS = 20;

/** Lets a long loop yield to the event loop, and ends it when the operation is aborted. */
export class TimeSlices {
  readonly #signal: AbortSignal | undefined;
  #end = performance.now() + SLICE_MS;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * To be called at every step, and awaited when it returns a promise: most steps have nothing to wait for.
   *
   * @throws VarveError `interrupted`
   */
  step(): Promise<void> | undefined {
    return performance.now() < this.#end ? undefined : this.#yield();
  }

  async #yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    throwIfInterrupted(this.#signal);
    this.#end = performance.now() + SLICE_MS;
  }
}
