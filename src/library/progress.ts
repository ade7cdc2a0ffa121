/** Milliseconds between two reports. */
const EVERY = 250;

/** Reports the progress of an operation at intervals and at its end. */
export class ProgressReports<Progress> {
  readonly #onProgress: ((progress: Readonly<Progress>) => void) | undefined;
  #read: (() => Readonly<Progress>) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(onProgress: ((progress: Readonly<Progress>) => void) | undefined) {
    this.#onProgress = onProgress;
  }

  /** Starts reporting. @param read returns the current progress. A second call replaces it */
  readonly start = (read: () => Readonly<Progress>): void => {
    this.#read = read;
    if (this.#onProgress !== undefined) this.#timer ??= setInterval(() => this.#report(), EVERY).unref();
  };

  end(): void {
    clearInterval(this.#timer);
    this.#report();
    this.#read = undefined;
  }

  #report(): void {
    if (this.#read !== undefined) this.#onProgress?.(this.#read());
  }
}
