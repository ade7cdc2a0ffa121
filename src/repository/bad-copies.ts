// What happens when a copy of a blob cannot be used and another can.
// Finding the other copy is left to BlobIndex and its readers.
import type { VarveError } from '../errors/errors.js';

/** Gets each copy of a blob that is passed over: the name of its pack, and why it cannot be used. */
export interface BadCopyReport {
  report(pack: string, cause: VarveError): void;
}

/** Warns of bad copies, once for each pack. */
export class BadCopies implements BadCopyReport {
  readonly #warn: (text: string) => void;
  readonly #reported = new Set<string>();

  constructor(warn: (text: string) => void = () => undefined) {
    this.#warn = warn;
  }

  report(pack: string, { message }: VarveError): void {
    if (this.#reported.has(pack)) return;
    this.#reported.add(pack);
    const reason = message.replace(/; run `varve check[^`]*`$/, '');
    this.#warn(`${reason}; another copy of what it holds is used: run \`varve check --read-data\``);
  }
}
