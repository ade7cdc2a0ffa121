import { parentPort } from 'node:worker_threads';
import { isPassword } from './htpasswd.js';

/** What is asked of the worker. */
export interface Question {
  readonly password: string;
  readonly stored: string | undefined;
  /** As `highestCost` returns it. */
  readonly highest: number;
}

parentPort?.on('message', async ({ password, stored, highest }: Question) => {
  parentPort?.postMessage(await isPassword(password, stored, highest));
});
