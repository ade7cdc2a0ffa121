import type { ServerResponse } from 'node:http';
import type { Pace } from './pace.js';

/** Sends the body of an answer piece by piece, as fast as the client takes it. */
export class Sender {
  readonly #response: ServerResponse;
  readonly #pace: Pace;

  constructor(response: ServerResponse, pace: Pace) {
    this.#response = response;
    this.#pace = pace;
  }

  /** Resolves when more can be taken. @throws when the client is gone, or too slow */
  async write(bytes: Uint8Array | string): Promise<void> {
    if (!this.#response.write(bytes)) await this.#pace.waitFor(this.#event('drain'));
    this.#pace.moved(bytes.length);
  }

  /** Resolves when all was handed to the system. */
  async end(): Promise<void> {
    const finished = this.#event('finish');
    this.#response.end();
    await this.#pace.waitFor(finished);
  }

  #event(name: 'drain' | 'finish'): Promise<void> {
    const response = this.#response;
    return new Promise((resolve, reject) => {
      const done = (): void => {
        response.off('close', gone);
        resolve();
      };
      const gone = (): void => {
        response.off(name, done);
        reject(new Error('the client is gone'));
      };
      if (response.destroyed) return reject(new Error('the client is gone'));
      response.once(name, done).once('close', gone);
    });
  }
}
