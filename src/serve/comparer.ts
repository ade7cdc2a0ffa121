import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import pLimit from 'p-limit';
import type { ComparePassword } from './logins.js';
import type { Question } from './password-worker.js';

/** Compares passwords in a thread of its own, one at a time: it takes tens of milliseconds, in which requests go on. */
export class Comparer {
  readonly #oneAtATime = pLimit(1);
  #worker: Worker | undefined;

  /** As `isPassword` of htpasswd.ts. */
  readonly isPassword: ComparePassword = (password, stored, highest) =>
    this.#oneAtATime(async () => {
      const question: Question = { password, stored, highest };
      const worker = this.#started();
      const answer = once(worker, 'message');
      worker.postMessage(question);
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
