import { statSync } from 'node:fs';

/** Milliseconds between two checks of a file. */
const CHECK_INTERVAL = 1000;

/** A value that is read from files, and read again when they change. */
export class WatchedFile<T> {
  readonly #paths: readonly string[];
  readonly #read: () => T;
  readonly #onFailure: (cause: unknown) => void;
  #value: T;
  #stamp: string;
  #checked = performance.now();

  /**
   * @param read throws when the files are not valid; the value then stays as it was
   * @throws the error of the first `read`
   */
  constructor(paths: readonly string[], read: () => T, onFailure: (cause: unknown) => void) {
    this.#paths = paths;
    this.#read = read;
    this.#onFailure = onFailure;
    this.#stamp = this.#stampNow();
    this.#value = read();
  }

  get value(): T {
    const now = performance.now();
    if (now - this.#checked < CHECK_INTERVAL) return this.#value;
    this.#checked = now;
    const stamp = this.#stampNow();
    if (stamp !== this.#stamp) this.#reload(stamp);
    return this.#value;
  }

  #reload(stamp: string): void {
    this.#stamp = stamp;
    try {
      this.#value = this.#read();
    } catch (cause) {
      this.#onFailure(cause);
    }
  }

  #stampNow(): string {
    return this.#paths.map(stampOf).join('\n');
  }
}

/** A string that changes with the file; '' when it cannot be read, because `read` reports the reason. */
function stampOf(path: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch {
    return '';
  }
}
