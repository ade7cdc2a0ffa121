import { Refusal } from './refusal.js';

/** Bytes that a client must send or take in the time that it is given. */
const LEAST = 16 * 1024;

/**
 * How a client gets on with one request. Only time in which the server waits for it counts, so that a slow disk is not held against it. One
 * that gets on too slowly is given up: whoever sends a byte a minute would hold a connection for ever.
 */
export class Pace {
  readonly #patience: number;
  #waited = 0;
  #moved = 0;

  /** @param patience milliseconds of waiting in which LEAST bytes must move */
  constructor(patience: number) {
    this.#patience = patience;
  }

  /** @throws Refusal 408 when it takes too long */
  async waitFor<T>(client: Promise<T>): Promise<T> {
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      const late = (): void => reject(new Refusal(408, 'the request takes too long'));
      timer = setTimeout(late, Math.max(0, this.#patience - this.#waited));
    });
    try {
      return await Promise.race([client, tooLong]);
    } finally {
      clearTimeout(timer);
      this.#waited += performance.now() - began;
    }
  }

  moved(bytes: number): void {
    this.#moved += bytes;
    if (this.#moved < LEAST) return;
    this.#moved = 0;
    this.#waited = 0;
  }
}
