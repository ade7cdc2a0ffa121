import type { VarveError } from '../../errors/errors.js';
import type { Output } from './output.js';

/** Reports what could not be read when a command goes on with the rest. */
export class ReadErrors {
  readonly #output: Output;
  readonly #during: string;
  #count = 0;

  /** @param during the command, for programs */
  constructor(output: Output, during: string) {
    this.#output = output;
    this.#during = during;
  }

  report({ message }: VarveError): void {
    this.#count++;
    if (this.#output.json)
      this.#output.errorObject({ message_type: 'error', error: { message }, during: this.#during });
    else this.#output.error(`error: ${message}`);
  }

  get exitCode(): number {
    return this.#count > 0 ? 1 : 0;
  }
}
