import { statSync } from 'node:fs';

/** Milliseconds between two looks at a file. */
const LOOK_AGAIN = 1000;

/** What a file says, read again when the file has changed. */
export class Reloaded<T> {
  readonly #paths: readonly string[];
  readonly #read: () => T;
  readonly #onFailure: (cause: unknown) => void;
  #value: T;
  #stamp: string;
  #looked = performance.now();

  /**
   * @param read throws when the files are not as they should be; then what they said before stays
   * @throws what `read` throws, the first time
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
    if (now - this.#looked < LOOK_AGAIN) return this.#value;
    this.#looked = now;
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

/** Changes when the file does; reading it says why it cannot be looked at. */
function stampOf(path: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch {
    return '';
  }
}
