import type { ServerResponse } from 'node:http';
import type { SlowClientGuard } from './slow-client-guard.js';

/** Sends the body of a response in pieces, as fast as the client takes them. */
export class Sender {
  readonly #response: ServerResponse;
  readonly #clientGuard: SlowClientGuard;

  constructor(response: ServerResponse, clientGuard: SlowClientGuard) {
    this.#response = response;
    this.#clientGuard = clientGuard;
  }

  /** Resolves when the next piece can be sent. @throws when the client disconnects or is too slow */
  async write(bytes: Uint8Array | string): Promise<void> {
    if (!this.#response.write(bytes)) await this.#clientGuard.waitFor(this.#event('drain'));
    this.#clientGuard.progressed(bytes.length);
  }

  /** Resolves when everything was handed to the system. */
  async end(): Promise<void> {
    const finished = this.#event('finish');
    this.#response.end();
    await this.#clientGuard.waitFor(finished);
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
        reject(new Error('the client disconnected'));
      };
      if (response.destroyed) return reject(new Error('the client disconnected'));
      response.once(name, done).once('close', gone);
    });
  }
}
