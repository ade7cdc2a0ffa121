import { parentPort } from 'node:worker_threads';
import { isPassword } from './htpasswd.js';

/** A password to verify; see `isPassword`. */
export interface VerifyRequest {
  readonly password: string;
  readonly stored: string | undefined;
  readonly highest: number;
}

parentPort?.on('message', async ({ password, stored, highest }: VerifyRequest) => {
  parentPort?.postMessage(await isPassword(password, stored, highest));
});
