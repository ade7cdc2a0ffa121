import { isBroken, isUnreadable, VarveError } from '../errors/errors.js';

/** Notes what could not be read while directories are looked for, each reason once. */
export class UnreadableObjects {
  readonly #messages = new Set<string>();
  readonly #onNew: (message: string) => void;

  constructor(onNew: (message: string) => void = () => undefined) {
    this.#onNew = onNew;
  }

  get count(): number {
    return this.#messages.size;
  }

  /** @throws the cause, unless it is that something is damaged, gone, or could not be read */
  pass(cause: unknown): void {
    if (isBroken(cause)) return;
    if (!isUnreadable(cause)) throw cause;
    const { message } = VarveError.from(cause);
    if (this.#messages.has(message)) return;
    this.#messages.add(message);
    this.#onNew(message);
  }
}
