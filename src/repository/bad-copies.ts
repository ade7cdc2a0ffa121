import { VarveError } from '../errors/errors.js';

/** Reports copies of blobs that cannot be used, once for each pack. */
export class BadCopies {
  readonly #warn: (text: string) => void;
  readonly #reported = new Set<string>();

  constructor(warn: (text: string) => void = () => undefined) {
    this.#warn = warn;
  }

  /** @param cause why a copy cannot be used. Its message begins with the pack */
  report(cause: unknown): void {
    const { message } = VarveError.from(cause);
    const [pack = message] = message.split(':', 1);
    if (this.#reported.has(pack)) return;
    this.#reported.add(pack);
    this.#warn(`${message}; another copy of what it holds is used: run \`varve check --read-data\``);
  }
}
