import { isBroken, isUnreadable, VarveError } from '../errors/errors.js';

/** Collects why objects could not be read, each reason once. */
export class UnreadableObjects {
  readonly #messages = new Set<string>();
  readonly #onNew: (message: string) => void;

  constructor(onNew: (message: string) => void = () => undefined) {
    this.#onNew = onNew;
  }

  get count(): number {
    return this.#messages.size;
  }

  /** @throws the cause, unless it is about an object that is damaged, missing or unreadable */
  pass(cause: unknown): void {
    if (isBroken(cause)) return;
    if (!isUnreadable(cause)) throw cause;
    const { message } = VarveError.from(cause);
    if (this.#messages.has(message)) return;
    this.#messages.add(message);
    this.#onNew(message);
  }
}
