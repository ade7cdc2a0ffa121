import { HttpError } from './http-error.js';

/** Bytes that a client must send or receive within the idle timeout. */
const MIN_BYTES = 16 * 1024;

/**
 * Ends a request whose client hardly sends or receives anything: one byte a minute would hold the connection for ever.
 * Only the time that the server waits for the client counts. A slow disk of the server does not.
 */
export class SlowClientGuard {
  readonly #idleTimeout: number;
  #waited = 0;
  #moved = 0;

  /** @param idleTimeout milliseconds of waiting in which the client must move MIN_BYTES */
  constructor(idleTimeout: number) {
    this.#idleTimeout = idleTimeout;
  }

  /** Waits for the client. @throws HttpError 408 when it is too slow */
  async waitFor<T>(client: Promise<T>): Promise<T> {
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      const late = (): void => reject(new HttpError(408, 'the client is too slow'));
      timer = setTimeout(late, Math.max(0, this.#idleTimeout - this.#waited));
    });
    try {
      return await Promise.race([client, tooLong]);
    } finally {
      clearTimeout(timer);
      this.#waited += performance.now() - began;
    }
  }

  progressed(bytes: number): void {
    this.#moved += bytes;
    if (this.#moved < MIN_BYTES) return;
    this.#moved = 0;
    this.#waited = 0;
  }
}
