import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import pLimit from 'p-limit';
import type { VerifyPassword } from './logins.js';
import type { VerifyRequest } from './password-worker.js';

/** Verifies passwords in a worker thread, one at a time. Each takes tens of milliseconds, and the main thread serves requests in that time. */
export class PasswordVerifier {
  readonly #oneAtATime = pLimit(1);
  #worker: Worker | undefined;

  /** See `isPassword` in htpasswd.ts. */
  readonly isPassword: VerifyPassword = (password, stored, highest) =>
    this.#oneAtATime(async () => {
      const request: VerifyRequest = { password, stored, highest };
      const worker = this.#started();
      const answer = once(worker, 'message');
      worker.postMessage(request);
      return (await answer)[0] === true;
    });

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #started(): Worker {
    if (this.#worker === undefined) {
      this.#worker = new Worker(new URL('./password-worker.js', import.meta.url));
      this.#worker.unref();
      this.#worker.once('exit', () => {
        this.#worker = undefined;
      });
    }
    return this.#worker;
  }
}
