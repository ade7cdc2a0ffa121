import { throwIfInterrupted } from '../../errors/errors.js';

/** Milliseconds for which a loop may block the event loop, which signals, timers and progress need. */
const SLICE_MS = 20;

/** Makes a long loop yield to the event loop, and ends it when the operation is aborted. */
export class TimeSlices {
  readonly #signal: AbortSignal | undefined;
  #end = performance.now() + SLICE_MS;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * To be called at every step of the loop. Returns a promise to await when a slice ends, and undefined at most steps.
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
